"""The root API: small, sorted, lazy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import evocache


def test_all_is_sorted_complete_and_small():
    assert evocache.__all__ == sorted(evocache.__all__)
    assert len(evocache.__all__) <= 12
    assert dir(evocache) == evocache.__all__
    for name in evocache.__all__:
        assert getattr(evocache, name).__name__ == name
        assert getattr(evocache, name).__module__.startswith("evocache.")
    public = {name for name in vars(evocache) if not name.startswith("_")}
    modules = {name for name, value in vars(evocache).items() if type(value) is type(sys)}
    # what `from __future__` and the lazy loader bring in
    assert public - modules - set(evocache.__all__) <= {"annotations", "import_module", "TYPE_CHECKING", "Any"}


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'evocache' has no attribute 'accelerate'"):
        _ = evocache.accelerate


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import evocache", ("torch", "diffusers", "numpy")),
        ("import evocache.schedule, evocache.policies; evocache.Schedule", ("torch", "diffusers")),
        ("import evocache.cli", ("torch", "diffusers")),
    ],
)
def test_heavy_libraries_are_loaded_when_needed(code, absent):
    check = f"{code}; import sys; print([m for m in {absent!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
