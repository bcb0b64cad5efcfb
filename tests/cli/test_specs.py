"""Schedules are read before anything is loaded, in the words of a person; what is wrong is told at once."""

import subprocess
import sys

import pytest

from evocache import zoo
from evocache.errors import PolicyError
from evocache.policies import POLICIES, is_spec, parse
from evocache.policies.spec import suggest_spec
from evocache.zoo.models import find

from .conftest import weights


@pytest.mark.parametrize("text", ["FORA:3", "  fora:3", "Fora: 3 ", "fora :3"])
def test_case_and_spaces_do_not_matter(text):
    assert is_spec(text)
    assert parse(text) == parse("fora:3")


def test_the_name_of_a_file_keeps_its_case():
    assert parse(" SmoothCache:0.1,Runs/Mine ").spec == "smoothcache:0.1,Runs/Mine"


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("for:3", "fora:3"),
        ("foar:3", "fora:3"),
        ("TeaCach:0.1", "teacache:0.1"),
        ("taylorser:3,2", "taylorseer:3,2"),
        ("deep-cache:2", "deepcache:2"),
        ("step:0,1", "steps:0,1"),
        ("non", "none"),
    ],
)
def test_a_misspelt_policy_is_corrected(text, near):
    assert suggest_spec(text) == near
    with pytest.raises(PolicyError, match="did you mean") as caught:
        parse(text)
    assert near in caught.value.mend


def test_what_is_like_no_policy_is_not_corrected():
    assert suggest_spec("x:3") is None
    with pytest.raises(PolicyError) as caught:
        parse("x:3")
    assert "did you mean" not in caught.value.mend
    assert all(name in caught.value.expected for name in POLICIES)


WRONG = [
    ["generate", "fox", "-s", "for:3"],
    ["generate", "fox", "-s", "fora:x"],
    ["generate", "fox", "-s", "nowhere.json"],
    ["generate", "fox", "-s", "runs/nowhere", "--speedup", "2"],
    ["generate", "fox", "-s", "smoothcache:0.1,nowhere"],
    ["generate", "fox", "-m", "zoo:nothing"],
    ["generate", "fox", "--dtype", "int3"],
    ["generate", "fox", "--device", "abacus"],
    ["generate", "fox", "--image", "nowhere.png"],
    ["plan", "-s", "for:3"],
    ["plan", "-m", "nonsense"],
    ["inspect", "zoo:emoji", "-s", "for:3"],
    ["inspect", "arch:flux-dev-1024", "-s", "for:3"],
    ["evolve", "--time", "soon"],
    ["evolve", "--objective", "beauty"],
    ["evolve", "--storage", "int5"],
    ["evolve", "--start", "runs/nowhere"],
    ["evolve", "--quality", "beauty"],
    ["schedule", "show", "for:3"],
    ["schedule", "export", "runs/nowhere", "--speedup", "2"],
    ["front", "runs/nowhere"],
    ["report", "runs/nowhere"],
    ["demo", "-m", "nonsense"],
]

RIGHT = [["schedule", "show", "FORA:3"], ["schedule", "show", "taylorseer:3", "--detail"], ["policies"]]


def test_what_is_wrong_is_told_without_loading_anything(tmp_path):
    """One process: were torch imported for any of them, it would stay."""
    weights()
    script = f"""
import sys
from evocache.cli.app import app
for code, calls in ((2, {WRONG!r}), (0, {RIGHT!r})):
    for words in calls:
        try:
            ended = app(words, standalone_mode=False) or 0
        except SystemExit as error:
            ended = error.code
        except Exception as error:
            ended = getattr(error, 'exit_code', error)
        assert ended == code, (words, ended)
        heavy = sorted(set(sys.modules).intersection(['torch', 'diffusers', 'transformers']))
        assert not heavy, (words, heavy)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_storages_are_those_of_the_stores():
    from evocache.cli.inputs.storage_names import STORAGES
    from evocache.memory.quantization import CODINGS

    assert sorted(STORAGES) == sorted(CODINGS)


def test_the_tree_that_is_known_without_the_model_is_the_model_s():
    weights()
    from evocache.cli.inputs.model_tree import load_tree
    from evocache.model import discover

    tree, classes, steps = load_tree("zoo:emoji")
    found = discover(zoo.load("zoo:emoji"))
    assert tree == found.tree
    assert dict(classes) == dict(found.classes)
    assert steps == find("zoo:emoji").call_defaults["num_inference_steps"]


@pytest.mark.parametrize("model", ["zoo:emoji-unet", "zoo:emoji-motion", "folder", "unet_folder"])
def test_a_tree_is_that_of_the_model_and_needs_no_weights(request, monkeypatch, model):
    weights()
    from diffusers import DiffusionPipeline

    from evocache.cli.inputs import model_tree
    from evocache.loading.pipelines import choose_steps
    from evocache.model import discover

    whole = zoo.load(model) if model.startswith("zoo:") else None
    model = model if whole else request.getfixturevalue(model)
    whole = whole or DiffusionPipeline.from_pretrained(model)
    monkeypatch.setattr(model_tree, "load_pipeline", lambda *_, **__: pytest.fail("weights are loaded"))
    tree, classes, steps = model_tree.load_tree(model)
    found = discover(whole)
    assert tree == found.tree
    assert dict(classes) == dict(found.classes)
    assert steps == choose_steps(whole)


@pytest.mark.filterwarnings("ignore:`torch_dtype`:FutureWarning")
def test_a_tree_that_no_configs_tell_is_that_of_the_loaded_model(folder, monkeypatch):
    from evocache.cli.inputs import model_tree
    from evocache.errors import ModelError

    def unmade(model):
        raise ModelError(model, "a pipeline whose parts are made from configs", "load it")

    tree, classes, steps = model_tree.load_tree(folder)
    monkeypatch.setattr(model_tree, "load_weightless", unmade)
    assert model_tree.load_tree(folder) == (tree, classes, steps)
