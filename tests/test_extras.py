"""Optional dependencies: what is missing is named with its command, and the base does without all of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import evocache
from evocache.errors import DependencyError, Error
from evocache.extras import EXTRAS, optional

ROOT = Path(evocache.__file__).parents[2]

BLOCK = f"""
import sys
from importlib.machinery import PathFinder

MISSING = {tuple(EXTRAS)!r}

class Others(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        missing = name.partition(".")[0] in MISSING
        return None if missing else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Others
"""
"""The beginning of a program in which no optional dependency can be imported."""


def run(code: str, folder: Path) -> str:
    """What a program prints in which the optional dependencies are missing."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", BLOCK + code], capture_output=True, text=True, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_apply_generate_front_and_plan_work_without_any_extra(tmp_path):
    code = """
import evocache
from evocache import zoo
from evocache.cli import main

pipe = zoo.load("zoo:emoji")
with evocache.apply(pipe, "fora:2") as handle:
    pipe("fox", num_inference_steps=2)
    print("executed", handle.stats.executed_fraction)
front = str(zoo.find("zoo:emoji").front)
for command in (
    ["generate", "-p", "fox", "--steps", "2", "-s", "fora:2", "--out", "pictures"],
    ["front", front],
    ["schedule", "show", "fora:3"],
    ["policies"],
    ["plan", "--steps", "2"],
):
    sys.argv = ["evocache", *command]
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
print("loaded", sorted({name.partition(".")[0] for name in sys.modules} & set(MISSING)))
"""
    printed = run(code, tmp_path)
    assert "executed 0.5" in printed
    assert "loaded []" in printed
    assert [file.suffix for file in (tmp_path / "pictures").iterdir()] == [".png"]


def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path):
    code = """
from pathlib import Path
from evocache.errors import DependencyError

def told(use):
    try:
        use()
    except DependencyError as error:
        print(error.given, "|", error.expected, "|", error.mend)

def evolve():
    import evocache
    evocache.evolve

def film():
    from evocache.video.writer import film
    with film("x.mp4") as out:
        pass

def plot():
    from evocache.report.figures.memory_plot import write_timeline
    write_timeline([], 1, 1, Path("x.png"))

def cluster():
    from evocache.search.evaluate.ray import RayEvaluator
    RayEvaluator(lambda worker: None)

def volume():
    import numpy
    from evocache.search.optimise.hypervolume import Box
    Box.around(numpy.array([[0.0, 1.0], [1.0, 0.0]])).volume(numpy.array([[0.5, 0.5]]))

def page():
    from evocache.extras import optional
    optional("plotly.offline")

def template():
    from evocache.extras import optional
    optional("jinja2")

for use in (evolve, film, plot, cluster, volume, page, template):
    told(use)
"""
    expected = [("pymoo", "evolve"), ("PyAV", "video"), ("matplotlib", "report"), ("Ray", "ray")]
    expected += [("pymoo", "evolve"), ("plotly", "report"), ("Jinja2", "report")]
    lines = [
        f'{name}, which is not installed | the extra [{extra}] | pip install "evocache[{extra}]"'
        for name, extra in expected
    ]
    assert run(code, tmp_path).splitlines() == lines


def test_a_fault_within_a_package_is_not_taken_for_its_absence(monkeypatch, tmp_path):
    (tmp_path / "pymoo").mkdir()
    (tmp_path / "pymoo" / "__init__.py").write_text("import a_part_that_is_missing")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pymoo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_part_that_is_missing"):
        optional("pymoo.indicators")


def test_what_is_there_is_given():
    found = optional("matplotlib.figure")
    assert isinstance(found, ModuleType)
    assert found.__name__ == "matplotlib.figure"
    assert issubclass(DependencyError, Error)


DISTRIBUTIONS = {
    "prometheus_client": "prometheus-client",
    "opentelemetry": "opentelemetry-sdk",
    "ray": "ray[serve]",
}
"""Names that packages are installed by, where they are not those of their modules."""


def test_extras_install_what_they_are_named_for():
    text = (ROOT / "pyproject.toml").read_text()
    base = text[text.index("dependencies = [") : text.index("[project.optional-dependencies]")]
    extras = text[text.index("[project.optional-dependencies]") : text.index("[project.scripts]")]
    for package, extra in EXTRAS.items():
        named = DISTRIBUTIONS.get(package, package)
        assert re.search(rf'^{extra} = \[[^\]]*"{re.escape(named)}>=', extras, re.MULTILINE | re.IGNORECASE)
        assert f'"{named}>=' not in base
    every = re.search(r'^all = \["evocache\[(.*)\]"\]', extras, re.MULTILINE)
    assert every is not None
    assert set(every[1].split(",")) == set(EXTRAS.values())
    assert '"evocache[all]"' in extras[extras.index("dev = [") :]


def test_nothing_imports_an_optional_package_by_itself():
    """But for type checkers, and what a module imports once `optional` has found its package, as a server does."""
    root = ROOT / "src" / "evocache"
    found = {
        (path.name, name)
        for path in (ROOT / "src" / "evocache").rglob("*.py")
        for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        if name in EXTRAS and not path.relative_to(root).as_posix().startswith(("serve/api/", "serve/web/"))
    }
    assert {path for path, _ in found} <= {"plots.py"}


def test_scripts_install_the_extra_that_serves(tmp_path):
    """What was installed with more serves less; the demo's script asks for all."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "scripts/_setup.sh"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text('#!/usr/bin/env bash\necho "$*" >> log\n')
    python.chmod(0o755)
    (tmp_path / "scripts" / "run").write_text('source "$(dirname "$0")/_setup.sh"\nsetup ${1:-}\n')
    asked = ["", "", "all", "", "all", "dev", "all", ""]
    for extra in asked:
        subprocess.run(["bash", "scripts/run", extra], cwd=tmp_path, check=True, capture_output=True)
    installed = re.findall(r"-e \.(?:\[(\w+)\])?$", (tmp_path / "log").read_text(), re.MULTILINE)
    assert installed == ["", "all", "dev"]
    assert "\nsetup all\n" in (ROOT / "scripts" / "demo").read_text()
