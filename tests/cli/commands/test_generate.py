import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from evocache.cli.ui.picture_files import make_slug, name_file, save_picture
from evocache.model import discover
from evocache.policies import parse
from evocache.runtime import context_of
from evocache.schedule import load
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.validation.proof_file import Basis, Proof, read_proof, write_proof
from tests.tiny import FAMILIES

SMALL = ("--height", 32, "--width", 32, "--set", "use_resolution_binning=false", "--set", "clean_caption=false")
TWO = ("-p", "a red fox", "-p", "a blue fox", "--steps", 3, *SMALL)


def pictures(path):
    found = {}
    for file in sorted(path.glob("*.png")):
        with Image.open(file) as picture:
            found[file.name] = np.asarray(picture).astype(int)
    return found


def parameters(file):
    with Image.open(file) as picture:
        return picture.text


def test_pictures_carry_how_they_came_to_be(run, folder, tmp_path):
    result = run("generate", "-m", folder, *TWO, "--seed", 7, "--guidance", 3.5, "-s", "fora:2", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "2 images" in result.stdout
    assert "67% executed" in result.stdout
    names = [file.name for file in sorted(tmp_path.glob("*"))]
    assert [name.rsplit("-", 1)[0] for name in names] == [
        "0000-a-red-fox-seed7-3steps-g3.5-fora-2",
        "0001-a-blue-fox-seed8-3steps-g3.5-fora-2",
    ]
    printed = result.stdout.split()
    assert all(str(tmp_path / name) in printed for name in names)
    text = parameters(tmp_path / names[1])
    expected = {"prompt": "a blue fox", "seed": "8", "steps": "3", "guidance": "3.5", "height": "32", "model": folder}
    assert {key: text[key] for key in expected} == expected
    assert text["schedule origin"] == "fora:2"
    assert len(text["schedule"]) == 16
    assert "torch" in text["versions"]
    assert "evocache" in text["versions"]


def test_a_picture_does_not_depend_on_its_batch(run, folder, tmp_path):
    run("generate", "-m", folder, *TWO, "-o", tmp_path / "together")
    run("generate", "-m", folder, *TWO, "--batch", 1, "-o", tmp_path / "alone")
    together, alone = pictures(tmp_path / "together"), pictures(tmp_path / "alone")
    assert len(together) == 2
    assert together.keys() == alone.keys()
    for name in together:
        assert np.abs(together[name] - alone[name]).max() <= 1
    first, second = together.values()
    assert np.abs(first - second).max() > 1


def test_a_full_schedule_changes_nothing_and_a_schedule_does(run, folder, tmp_path):
    for schedule in ("none", "fora:3"):
        run("generate", "-m", folder, *TWO, "-s", schedule, "-o", tmp_path / schedule.replace(":", ""))
    run("generate", "-m", folder, *TWO, "-o", tmp_path / "plain")
    plain, full, fora = (list(pictures(tmp_path / name).values()) for name in ("plain", "none", "fora3"))
    np.testing.assert_array_equal(plain, full)
    assert not np.array_equal(plain, fora)


def test_a_schedule_file_is_applied(run, folder, tmp_path):
    file = tmp_path / "s.json"
    run("schedule", "convert", "fora:3", file, "-m", folder, "--steps", 3)
    result = run("generate", "-m", folder, *TWO, "-s", file, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (first, _) = sorted((tmp_path / "out").glob("*.png"))
    assert parameters(first)["schedule"] == load(file).digest


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    """A run's folder with a front of two points for the tiny model."""
    path = tmp_path_factory.mktemp("emoji")
    tree = discover(FAMILIES["pixart"].build()).tree
    figures = ((3.0, 10.0, 2e3), (1.5, 30.0, 4e3))
    points = tuple(
        Point(
            parse(spec).schedule(tree, 3),
            {"error": -quality},
            {"speedup": speedup, "quality": quality, "memory": memory},
        )
        for spec, (speedup, quality, memory) in zip(("fora:3", "fora:2"), figures, strict=True)
    )
    write_proof(path, Proof(Front(points), ("front 0", "front 1"), {}, Basis(8, 5, 2, "psnr", "dB")))
    return path


@pytest.mark.parametrize(
    ("wish", "name", "told"),
    [
        (("--speedup", 2), "front 0", "3.00x, 10.0 dB"),
        (("--min-quality", 20), "front 1", "1.50x, 30.0 dB"),
        (("--memory", "1GB"), "front 1", "3.9 KiB cached"),
    ],
)
def test_a_point_is_picked_from_a_run(run, folder, front, tmp_path, wish, name, told):
    result = run("generate", "-m", folder, *TWO, "-s", front, *wish, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{name}: " in result.stdout
    assert told in result.stdout
    (first, _) = sorted(tmp_path.glob("*.png"))
    assert name.replace(" ", "-") in first.name
    proof = read_proof(front)
    assert parameters(first)["schedule"] == proof.front[proof.names.index(name)].schedule.digest


def test_a_call_outside_of_what_a_front_was_evolved_at_is_told_of(run, folder, tmp_path):
    pipe = FAMILIES["pixart"].build()
    call = {"height": 32, "width": 32, "use_resolution_binning": False, "clean_caption": False}
    context = context_of(pipe, **call, guidance_scale=2.5, num_inference_steps=3)
    measured = {"speedup": 2.0, "speedup q1": 1.9, "speedup q3": 2.2, "quality": 30.0, "memory": 1.0}
    point = Point(parse("fora:2").schedule(discover(pipe).tree, 3), {}, measured, steps=3, context=context)
    write_proof(tmp_path, Proof(Front((point,)), ("front 0",), {}, Basis(8, 5, 2, "psnr", "dB")))
    given = ("generate", "-m", folder, *TWO, "-s", tmp_path, "--speedup", 1.5, "-o", tmp_path / "out", "--batch", 1)
    inside = run(*given, "--guidance", 2.5)
    assert "outside" not in inside.stderr
    assert "2.00x (1.90-2.20)" in inside.stdout
    told = " ".join(run(*given, "--guidance", 5).stderr.split())
    assert told.count("outside of what the point was evolved at") == 1
    assert "guidance_scale 5 (evolved at 2.5)" in told
    assert "guidance_scale 2.5" in " ".join(run("front", tmp_path).stdout.split())


def test_a_front_s_file_is_as_good_as_its_folder(run, folder, front, tmp_path):
    result = run("generate", "-m", folder, *TWO, "-s", front / "front.json", "--speedup", 2, "-o", tmp_path)
    assert "front 0: 3.00x" in result.stdout


def test_a_wish_without_a_schedule_is_of_the_front_beside_the_weights(run, refused, folder, front, tmp_path):
    model = shutil.copytree(folder, tmp_path / "model")
    asked = ("generate", "-m", model, *TWO, "--speedup", 2, "-o", tmp_path / "out")
    assert "no front ships with" in refused(*asked)
    shutil.copy(front / "front.json", model)
    assert "front 0: 3.00x" in run(*asked).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-s", "FRONT"), ("--speedup (1.50 to 3.00)", "--min-quality (10.0 to 30.0 dB)", "--memory (2.0 KiB to")),
        (("-s", "FRONT", "--speedup", 4), ("nearest has speedup 3",)),
        (("-s", "FRONT", "--memory", "much"), ("200MB",)),
        (("-s", "fora:2", "--speedup", 2), ("--speedup with fora:2", "folder of a run")),
        (("--min-quality", 2), ("--min-quality with no schedule",)),
        (("-s", "."), ("without a front",)),
    ],
)
def test_wishes_that_cannot_be_met_are_explained(refused, folder, front, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = [front if a == "FRONT" else a for a in arguments]
    message = refused("generate", "-m", folder, "-p", "x", *given, "-o", tmp_path / "out")
    for word in words:
        assert word in message


def test_prompt_files(run, folder, tmp_path):
    file = tmp_path / "p.tsv"
    file.write_text("Prompt\tCategory\na fox\tx\ntwo foxes\tx\nthree\tx\n")
    result = run(
        "generate", "-m", folder, "--prompts", file, "--limit", 2, "--steps", 2, *SMALL, "-o", tmp_path / "out"
    )
    assert "2 images" in result.stdout
    assert len(pictures(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--prompt"),
        (("-p", "x", "-m", "nonsense"), "zoo:emoji"),
        (("-p", "x", "-m", "zoo:nonsense"), "zoo:emoji"),
        (("-p", "x", "-m", "owner/nothing"), "HF_HUB_OFFLINE"),
        (("-p", "x", "-m", "."), "model_index.json"),
        (("-p", "x", "-m", "FOLDER", "--device", "abacus"), "--device cpu"),
        (("-p", "x", "-m", "FOLDER", "--dtype", "int3"), "float32"),
        (("-p", "x", "-m", "FOLDER", "-s", "magic:3"), "evocache policies"),
        (("-p", "x", "-m", "FOLDER", "-s", "deepcache:3"), "U-Net"),
        (("-p", "x", "-m", "FOLDER", *SMALL, "--height", 31), "divisible by 8"),
        (("-p", "x", "-m", "FOLDER", *SMALL, "--steps", 1), "--debug"),
        (("-p", "x", "-m", "FOLDER", "--set", "speed"), "name=value"),
        (("-p", "x", "-m", "FOLDER", "--set", "speed=3"), "num_inference_steps"),
        (("-p", "x", "-m", "FOLDER", "--set", "hieght=32"), "did you mean height?"),
        (("-m", "FOLDER", *SMALL, "--set", "prompt=3", "-p", "x"), "it raised ValueError: `prompt` has to be of type"),
    ],
)
def test_what_cannot_be_done_is_explained(refused, folder, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    given = [folder if a == "FOLDER" else a for a in arguments]
    assert word in refused("generate", *given, "-o", tmp_path / "out")
    assert not pictures(tmp_path / "out")


def test_an_output_folder_that_is_a_file(refused, folder, tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert "--out" in refused("generate", "-p", "x", "-m", folder, "-o", file)


def test_a_damaged_pipeline_is_explained(refused, folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "broken")
    (tmp_path / "broken" / "transformer" / "config.json").write_text("{")
    assert "save_pretrained" in refused("generate", "-p", "x", "-m", tmp_path / "broken", "-o", tmp_path / "out")


def test_names_of_files():
    assert make_slug("Red heart, on a WHITE background!") == "red-heart-on-a-white-background"
    assert make_slug("../../etc/passwd") == "etc-passwd"
    assert make_slug("…") == "image"
    assert len(make_slug("word " * 40)) <= 48
    assert len(make_slug("w" * 400)) == 48
    made = {"steps": 20, "guidance": 2.5, "schedule": "fora:2"}
    assert name_file(3, "狐", 5, made, {}) == "0003-狐-seed5-20steps-g2.5-fora-2"
    assert name_file(0, "a fox", 0, {"schedule": "uncached"}, {}) == "0000-a-fox-seed0-uncached"


def test_pictures_of_other_settings_have_other_names():
    made = {"steps": 20, "guidance": 2.5, "schedule": "fora:2"}
    image = Image.new("RGB", (2, 2), "red")
    further = [{}, {"height": 64}, {"height": 32}, {"image": image}, {"image": Image.new("RGB", (2, 2), "blue")}]
    names = [name_file(0, "fox", 0, made, more) for more in further]
    long = "steps:0,1,2,4,6,8,11,14,"
    names += [name_file(0, "fox", 0, {**made, "schedule": long + end}, {}) for end in ("17", "18")]
    names += [name_file(0, "fox " * 30 + end, 0, made, {}) for end in ("red", "blue")]
    names += [name_file(0, "fox", 0, {**made, **other}, {}) for other in ({"steps": 9}, {"guidance": 7})]
    assert len({*names}) == len(names)
    assert names[3] == name_file(0, "fox", 0, made, {"image": image.copy()})


def test_other_settings_overwrite_nothing_and_the_same_do(run, folder, tmp_path):
    words = ("generate", "a fox", "-m", folder, *SMALL, "-o", tmp_path, "--steps")
    for more in ((2,), (2,), (3,), (2, "--guidance", 2), (2, "-s", "fora:2"), (2, "--set", "eta=0.5")):
        assert run(*words, *more).exit_code == 0
    assert len(pictures(tmp_path)) == 5


@pytest.mark.parametrize("kind", [".mp4", ".gif", ".webp", ""])
def test_videos_are_films_with_their_parameters_beside_them(tmp_path, kind):
    frames = [Image.new("RGB", (16, 16), (level, 0, 0)) for level in (0, 100, 200)]
    for _ in range(2):  # the same settings again
        path = save_picture(frames, tmp_path / "a", {"prompt": "狐"}, kind)
    assert path == tmp_path / f"a{kind}"
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"prompt": "狐"}
    if kind == ".mp4":
        import av

        with av.open(str(path)) as found:
            assert sum(1 for _ in found.decode(video=0)) == 3
    elif kind:
        with Image.open(path) as picture:
            assert picture.n_frames == 3
    else:
        assert len(list(path.glob("*.png"))) == 3


def test_a_point_s_own_steps_are_used_unless_others_are_asked_for(run, folder, tmp_path):
    tree = discover(FAMILIES["pixart"].build()).tree
    figures = {"speedup": 2.0, "quality": 30.0, "memory": 0.0}
    point = Point(parse("fora:2").schedule(tree, 4), {"error": -30.0}, figures, steps=4)
    write_proof(tmp_path, Proof(Front((point,), 6), ("front 0",), {}, Basis(8, 5, 2, "psnr", "dB", steps=6)))
    assert read_proof(tmp_path).front.uncached_steps == 6
    words = ("generate", "-m", folder, "-p", "a red fox", *SMALL, "-s", tmp_path, "--speedup", 2)
    for name, others, steps in (
        ("own", (), "4"),
        ("asked", ("--steps", 3), "3"),
        ("set", ("--set", "num_inference_steps=5"), "5"),
    ):
        result = run(*words, *others, "-o", tmp_path / name)
        assert result.exit_code == 0, result.output
        (file,) = (tmp_path / name).glob("*.png")
        assert parameters(file)["steps"] == steps


def test_a_point_is_run_with_its_storage_and_within_its_budget(run, folder, refused, tmp_path):
    tree = discover(FAMILIES["pixart"].build()).tree
    figures = {"speedup": 2.0, "quality": 30.0, "memory": 0.0, "peak": 2e6}
    point = Point(parse("fora:2").schedule(tree, 4), {"error": -30.0, "peak": 2e6}, figures, storage="int8")
    plans = Front((replace(point, budget=2_000_000), replace(point, budget=2000, measured={**figures, "peak": 2e3})), 4)
    write_proof(tmp_path, Proof(plans, ("front 0", "front 1"), {}, Basis(8, 5, 2, "psnr", "dB", steps=4)))
    words = ("generate", "-m", folder, "-p", "a red fox", "--steps", 4, *SMALL, "-s", tmp_path)
    result = run(*words, "--speedup", 2, "-o", tmp_path / "own")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "peak 1.9 MiB when it was proven (int8, fits 1.9 MiB)" in told
    assert "planned to hold" in told
    (file,) = (tmp_path / "own").glob("*.png")
    assert parameters(file)["storage"] == "int8"
    assert "a memory budget of 0.003 MB" in refused(*words, "--memory", "3KB", "-o", tmp_path / "small")
    assert "a memory budget of 0.003 MB" in refused(*words, "--budget", "3KB", "-o", tmp_path / "small")
    result = run(*words, "--memory", "1GB", "--storage", "none", "-o", tmp_path / "given")
    assert result.exit_code == 0, result.output
    (file,) = (tmp_path / "given").glob("*.png")
    assert "storage" not in parameters(file)
    assert "a memory budget of" in refused(*words[:-2], "-b", "1kB", "-o", tmp_path / "no")
