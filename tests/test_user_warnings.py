"""Warnings of generations: their category, the user's line, each time, and in the figures."""

from __future__ import annotations

import ast
import inspect
import runpy
import warnings
from pathlib import Path
from typing import Any

import pytest

import evocache
from evocache import apply
from evocache.cli.ui.console import silence
from evocache.errors import EvocacheWarning
from evocache.policies import parse
from evocache.user_warnings import warn
from tests.runtime.prompted import Block, Pipe

FAR = "made for 3 steps and is resampled to 8"


@pytest.fixture
def one(family) -> Any:
    return family("pixart")


@pytest.fixture
def schedule(one) -> Any:
    return parse("fora:2").schedule(one.model.tree, 3)


def shown(action: str, times: int, run: Any) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter(action)  # "default" is what a process begins with: once for a line
        for _ in range(times):
            run()
    return [warning for warning in seen if issubclass(warning.category, EvocacheWarning)]


def test_each_generation_is_warned_of_at_the_user_s_line(one, schedule):
    with apply(one.pipe, schedule) as handle:
        settings = {"prompt": "a red fox", "num_inference_steps": 8, "output_type": "latent"}
        settings |= {"height": 64, "width": 64, "use_resolution_binning": False}

        def call() -> None:
            one.pipe(**settings)

        seen = shown("default", 3, call)
        assert [FAR in str(warning.message) for warning in seen] == [True] * 3
        line = inspect.getsourcelines(call)[1] + 1
        assert {(warning.filename, warning.lineno) for warning in seen} == {(__file__, line)}
        assert len(handle.stats.warnings) == 1
        assert FAR in handle.stats.warnings[0]


def test_figures_know_of_what_filters_hide(one, schedule):
    with apply(one.pipe, schedule) as handle:
        assert shown("ignore", 1, lambda: one.call(steps=8)) == []
        assert len(handle.stats.warnings) == 1
        assert shown("once", 2, lambda: one.call(steps=8))[1:] == []
        one.call(steps=3)
        assert handle.stats.warnings == ()
        with pytest.raises(EvocacheWarning, match=FAR):
            one.call(steps=8)
        assert handle.stats.cached_bytes == 0
        one.call(steps=3)


def test_all_that_is_deserved_is_told_once_a_generation(one):
    """Guidance that is to be made from a step's first call, in a call that does not guide, and far resampled."""
    schedule = parse("fastercache:1,0.5,0,2").schedule(one.model.tree, 4)
    with apply(one.pipe, schedule) as handle:
        seen = shown("default", 2, lambda: one.call(steps=8, guidance=False))
    told = [str(warning.message) for warning in seen]
    assert len(told) == 4
    assert told[:2] == told[2:] == list(handle.stats.warnings)
    assert "resampled to 8" in told[0]
    assert "nothing was reused" in told[1]


def test_code_of_hosts_is_passed_over(tmp_path):
    package = tmp_path / "host.py"
    package.write_text("def through(call):\n    call()\n")
    through = runpy.run_path(str(package), run_name="diffusers.pipelines.host")["through"]
    (seen,) = shown("default", 1, lambda: through(lambda: through(lambda: warn("well"))))
    assert seen.filename == __file__
    other = runpy.run_path(str(package), run_name="mine")["through"]
    alone = {"__name__": "evocache.x", "warn": warn, "other": other}
    exec(compile("def told():\n    warn('well')\n", "inside", "exec"), alone)
    (seen,) = shown("default", 1, lambda: other(alone["told"]))
    assert (seen.filename, seen.lineno) == (str(package), 2)


class Joining(Block):
    """Joins what its feed-forward gives in a way that nothing recalled fits."""

    def forward(self, hidden_states, text):
        ran = []
        hook = self.ff[0].register_forward_pre_hook(lambda *_: ran.append(1))
        output = super().forward(hidden_states, text)
        hook.remove()
        if not ran:
            raise RuntimeError("the size of tensor a must match the size of tensor b")
        return output


def joining() -> Pipe:
    pipe = Pipe()
    pipe.transformer.transformer_blocks[1].__class__ = Joining
    return pipe


def test_a_call_made_anew_is_told_like_all_else(capsys):
    pipe = joining()
    with apply(pipe, "fora:2") as handle:
        seen = shown("default", 2, lambda: pipe(("a",) * 4))
        told = [str(warning.message) for warning in seen]
        assert told[:3] == told[3:] == list(handle.stats.warnings)
        anew = [text for text in told[:3] if "computed everything at step" in text and "must match" in text]
        assert [text.partition(" step ")[2][0] for text in anew] == ["1", "3"]
        assert {warning.filename for warning in seen} == {__file__, inspect.getfile(Pipe)}  # a pipeline of a user's
        with silence():
            pipe(("a",) * 4)
    noted = " ".join(capsys.readouterr().err.split())
    assert noted.count("note transformer computed everything at step") == 2


def test_all_warnings_go_one_way():
    """No file but one knows how to warn; others only filter."""
    root = Path(evocache.__file__).parent
    calls = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in ("warnings.warn", "warnings.warn_explicit"))
        or (isinstance(node, ast.ImportFrom) and node.module == "warnings")
    }
    assert calls == {"user_warnings.py"}
