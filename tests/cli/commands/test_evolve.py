"""`evolve` and `front` on a tiny model, as a user types them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evocache.search.storage.journal import JOURNAL
from evocache.search.storage.run_records import read_run
from evocache.validation.proof_file import read_proof

pytestmark = pytest.mark.usefixtures("hasty")

PROMPTS = "a cat\na dog\na red house\ntwo birds\na boat\na tree\n"
SMALL = ("--batch", 4, "--steps", 6, "--workers", 1, "--generations", 1)
CALL = ("height=32", "width=32", "max_sequence_length=16", "use_resolution_binning=false", "clean_caption=false")
SET = tuple(word for setting in CALL for word in ("--set", setting))


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    path = tmp_path_factory.mktemp("prompts") / "prompts.txt"
    path.write_text(PROMPTS)
    return path


@pytest.fixture
def command(folder, prompts, tmp_path):
    """`command("--count", 4)`: the words of a small evolution."""

    def words(*further: object, file: Path = prompts, out: str = "run") -> tuple[object, ...]:
        return ("evolve", "-m", folder, "--prompts", file, "--out", tmp_path / out, *SMALL, *SET, *further)

    return words


@pytest.fixture
def rewards(tmp_path, monkeypatch):
    """A module `rewards` in the working directory."""
    source = """
    calls = []
    def fails(images, prompts): raise ValueError("no idea")
    def undecided(images, prompts): return [float("nan")] * len(prompts)
    def moody(images, prompts):
        calls.append(1)
        if len(calls) in (4, 7, 8): raise ValueError("not now")
        return images.mean(axis=(1, 2, 3))
    """
    (tmp_path / "rewards_of_mine.py").write_text("\n".join(line[4:] for line in source.splitlines()))
    monkeypatch.chdir(tmp_path)
    yield "rewards_of_mine"
    sys.modules.pop("rewards_of_mine", None)


def test_a_front_is_evolved_shown_and_gone_on_with(run, command, refused, tmp_path):
    result = run(*command("--count", 4))
    assert result.exit_code == 0, result.output
    for word in ("speedup", "front 0", " steps"):
        assert word in result.stdout
    stages = [line.split(",")[0].split()[0] for line in result.stderr.splitlines()]
    assert stages[:3] == ["loading", "calibrating", "evolving"]
    shown = run("front", tmp_path / "run")
    assert shown.stdout == result.stdout
    facts = json.loads(run("front", tmp_path / "run", "--json").stdout)
    # which policies are measured depends on their times, that there are some does not
    assert {"seed", "steps"} <= {baseline["group"] for baseline in facts["baselines"].values()}
    assert all(name in result.stdout for name in facts["baselines"])
    assert len(facts["points"]) >= 2
    journal = (tmp_path / "run" / JOURNAL).read_text()
    assert "settings it was begun with" in refused(*command("--count", 4, "--seed", 7))
    assert "call.guidance_scale is 2" in refused(*command("--count", 4, "--set", "guidance_scale=2"))
    assert (tmp_path / "run" / JOURNAL).read_text() == journal
    second = run(*command("--count", 4, "--generations", 0, "--start", tmp_path / "run", out="second"))
    assert second.exit_code == 0, second.output
    begun = (tmp_path / "second" / JOURNAL).read_text()
    assert all(point["schedule"] in begun for point in facts["points"])


@pytest.mark.slow
def test_one_prompt_will_do(run, command, tmp_path):
    file = tmp_path / "one.txt"
    file.write_text("a cat\n")
    result = run(*command("--generations", 0, file=file))
    assert result.exit_code == 0, result.output
    assert "front 0" in result.stdout


@pytest.mark.slow
def test_a_reward_that_raises_for_some_candidates_costs_these_alone(run, command, rewards, tmp_path):
    """What it raises once costs nobody; what it raises again, but not for the uncached picture, is told."""
    result = run(*command("--reward", f"{rewards}:moody", "--count", 2, "--generations", 0))
    assert result.exit_code == 0, result.output
    records = read_run(tmp_path / "run").evaluations
    assert [record.failed for record in records if record.failed] == ["ValueError: not now"]
    assert f"1 of {len(records)} evaluations failed: ValueError: not now" in result.stdout
    assert len(json.loads(run("front", tmp_path / "run", "--json").stdout)["failures"]) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", "fails on uncached outputs (ValueError: no idea)"),
        ("undecided", "no finite number for any uncached output"),
    ],
)
def test_a_reward_that_never_works_is_refused_before_it_costs_time(refused, command, rewards, tmp_path, name, message):
    assert message in refused(*command("--reward", f"{rewards}:{name}", "--count", 2))
    assert not (tmp_path / "run" / JOURNAL).exists()


@pytest.mark.parametrize("budget", ["soon", "-1m", "1d", ""])
def test_a_budget_that_is_no_duration_is_refused(refused, budget):
    assert "duration" in refused("evolve", "--time", budget)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--time", "0"), "more than 0 seconds"),
        (("--time", "0m"), "more than 0 seconds"),
        (("--workers", "none"), "a number from 1 to 9999, or auto"),
        (("--quality", "psnr", "--reward", "a:b"), "leave one out"),
        (("--quality", "beauty"), "quality 'beauty'"),
        (("--reward", "nowhere:reward"), "No module named 'nowhere'"),
        (("--objective", "beauty"), "latency, macs, memory, peak"),
        (("--objective", "latency,peak,memory"), "leave memory out"),
        (("--objective", "peak", "--storage", "bf16,int4"), "storage 'int4'"),
        (("--memory", "little"), "bytes, such as 200MB"),
        (("--set", "height=33"), "fails uncached"),
        (("--set", "no_such_argument=1"), "no_such_argument"),
        (("--device", "nonsense"), "--device"),
        (("--ray", "127.0.0.1:1"), "ray start --head"),
    ],
)
def test_what_a_user_can_get_wrong_is_told(refused, command, words, message):
    if words[0] == "--ray":
        pytest.importorskip("ray")
    assert message in refused(*command("--count", 2, *words))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.txt", "", "prompt"),
        ("blank.txt", "\n \n", "prompt"),
        ("column.csv", "name,colour\ncat,red\n", "column"),
        ("damaged.json", '["a cat"', "JSON"),
    ],
)
def test_prompt_files_without_prompts_are_refused(refused, command, tmp_path, name, text, message):
    file = tmp_path / name
    file.write_text(text)
    assert message in refused(*command(file=file))


def test_a_model_without_prompts_is_refused(refused, folder, tmp_path):
    assert "--prompts" in refused("evolve", "-m", folder, "--out", tmp_path / "run")


def test_a_folder_that_is_a_file_is_refused(refused, command, tmp_path):
    (tmp_path / "run").write_text("")
    assert "a folder that can be written" in refused(*command())


def test_a_folder_without_a_run_is_refused(refused, tmp_path):
    assert "front" in refused("front", tmp_path)


@pytest.mark.slow
def test_a_signal_once_ends_in_a_front_and_twice_in_the_command_to_go_on(command, tmp_path):
    """A real process, interrupted as a terminal does it, or terminated."""
    paths = os.pathsep.join(path for path in ("", *sys.path) if path)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "120", "PYTHONPATH": paths}
    program = "from tests.conftest import hasten; hasten(); from evocache.cli import main; main()"

    def interrupted(times: int, out: str, number: int = signal.SIGINT) -> tuple[int, str, str]:
        words = [str(word) for word in command("--count", 4, "--time", "none", "--generations", 100_000, out=out)]
        with subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stderr is not None
            told = ""
            while "evolving" not in told:
                told += process.stderr.readline()
            for _ in range(times):
                process.send_signal(number)
                while times > 1 and "stopping" not in told:
                    told += process.stderr.readline()
            stdout, stderr = process.communicate(timeout=200)
            return process.returncode, stdout, told + stderr

    code, _, stderr = interrupted(2, "twice")
    assert code == 130
    assert "evocache evolve -m" in stderr
    assert "Traceback" not in stderr
    code, stdout, stderr = interrupted(1, "once", signal.SIGTERM)
    assert code == 0
    assert "stopped: the last generation was cut short" in stderr
    assert "stopping after the evaluations under way" in stderr
    assert "uncached" in stdout
    assert read_proof(tmp_path / "once").baselines
    assert 0 < len(read_run(tmp_path / "once").evaluations) < 30  # of some hundred seeds, and 100,000 generations


def test_a_prompt_that_comes_twice_is_not_proven_on_as_well(tmp_path):
    from evocache.cli.commands.evolve import _choose_prompts

    path = tmp_path / "prompts.txt"
    path.write_text("a cat\na dog\na cat\na boat\na dog\n")
    assert _choose_prompts("model", path, None, 2, 0) == (["a cat", "a dog"], ["a boat"])
