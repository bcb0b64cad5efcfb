"""`evolve` and `front` on a tiny model, as a user types them."""

import json

import pytest

PROMPTS = "a cat\na dog\na red house\ntwo birds\na boat\na tree\n"
SETTINGS = ("--count", 4, "--batch", 4, "--steps", 6, "--set", "height=32", "--set", "width=32")


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    path = tmp_path_factory.mktemp("prompts") / "prompts.txt"
    path.write_text(PROMPTS)
    return path


def test_a_front_is_evolved_shown_and_gone_on_with(run, folder, prompts, tmp_path):
    wanted = ("evolve", "-m", folder, "--prompts", prompts, "--generations", 1, "--out", tmp_path / "run", *SETTINGS)
    further = ("--set", "use_resolution_binning=false", "--set", "clean_caption=false")
    result = run(*wanted, *further)
    assert result.exit_code == 0, result.output
    for word in ("speedup", "front 0", "fora:2", "3 steps"):
        assert word in result.stdout
    shown = run("front", tmp_path / "run")
    assert shown.stdout == result.stdout
    facts = json.loads(run("front", tmp_path / "run", "--json").stdout)
    assert len(facts["points"]) >= 2
    assert all(point["speedup"] > 0 for point in facts["points"])


@pytest.mark.parametrize("budget", ["soon", "-1m", "1d", ""])
def test_a_budget_that_is_no_duration_is_refused(refused, budget):
    assert "duration" in refused("evolve", "--budget", budget)


def test_a_model_without_prompts_is_refused(refused, folder, tmp_path):
    assert "--prompts" in refused("evolve", "-m", folder, "--out", tmp_path / "run")


def test_a_folder_without_a_run_is_refused(refused, tmp_path):
    assert "front" in refused("front", tmp_path)
