"""LoRAs: their normal form, their files, and what does not fit a pipeline."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from evocache.errors import InputError, ModelError
from evocache.loading.lora_files import find_lora_file, load_loras
from evocache.loading.loras import order_loras
from tests.tiny import FAMILIES
from tests.tiny.loras import save_lora

SD15, SD3 = FAMILIES["sd15"], FAMILIES["sd3"]


@pytest.fixture(scope="module")
def ink(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ink")
    return save_lora(SD15.build, folder / "ink.safetensors", seed=1, parts=("unet", "text_encoder"))


def test_equal_choices_have_one_form() -> None:
    assert order_loras({"b": 1, "a": 0.5}) == order_loras({"a": 0.5, "c": 0.0, "b": 1.0}) == (("a", 0.5), ("b", 1.0))
    assert order_loras(["b", "a"]) == order_loras({"a": 1, "b": 1})
    assert order_loras({}) == order_loras([]) == order_loras({"a": -0.0}) == ()
    assert order_loras({"a": Fraction(1, 10**400)}) == ()  # which no float is
    for wrong in ("ink", 3, {"ink": "1"}, {"ink": float("inf")}, {"": 1.0}, {"ink": False}, {"ink": 10**400}):
        with pytest.raises(InputError):
            order_loras(wrong)  # type: ignore[arg-type]


def test_a_lora_is_loaded_once_and_does_not_act(ink: Path, tmp_path: Path) -> None:
    pipe, plain = SD15.build(), SD15.build()
    second = save_lora(SD15.build, tmp_path / "clay.safetensors", seed=2, parts=("unet",))
    found = load_loras(pipe, {"ink": ink, "clay": second, "again": ink.parent})
    assert found["ink"].fingerprint == found["again"].fingerprint != found["clay"].fingerprint
    layers = [
        m for part in (pipe.unet, pipe.text_encoder) for m in part.modules() if "ink" in getattr(m, "scaling", {})
    ]
    weights = [m.lora_A["ink"].weight.nbytes + m.lora_B["ink"].weight.nbytes for m in layers]
    assert found["ink"].bytes == sum(weights) > found["clay"].bytes > 0
    assert (SD15.call(pipe) == SD15.call(plain)).all()
    pipe.enable_lora()
    pipe.set_adapters(["ink"])
    assert abs(SD15.call(pipe) - SD15.call(plain)).max() > 1e-3


def _folder_of_two(path: Path, ink: Path) -> Path:
    for name in ("one", "two"):
        (path / f"{name}.safetensors").write_bytes(ink.read_bytes())
    return path


def _pickled(path: Path) -> Path:
    torch.save({"x": torch.zeros(1)}, path / "ink.bin")
    return path / "ink.bin"


FILES: dict[str, tuple[Any, str]] = {
    "absent": (lambda path, ink: path / "absent.safetensors", "check the path"),
    "empty folder": (lambda path, ink: path, "with 0 files"),
    "folder of two": (_folder_of_two, "with 2 files"),
    "other format": (lambda path, ink: _pickled(path), "may hold code"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_none(case: str, ink: Path, tmp_path: Path) -> None:
    make, text = FILES[case]
    with pytest.raises(ModelError, match=text):
        find_lora_file("ink", make(tmp_path, ink))
    usual = ink.parent / "pytorch_lora_weights.safetensors"
    usual.write_bytes(ink.read_bytes())
    try:
        assert find_lora_file("ink", ink.parent) == usual
    finally:
        usual.unlink()


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "lora", "ora_", "x" * 65, "ink pot"])
def test_names_that_adapters_cannot_have(name: str, ink: Path) -> None:
    with pytest.raises(InputError, match="give it another name"):
        load_loras(object(), {name: ink})


def test_what_does_not_fit(ink: Path, tmp_path: Path) -> None:
    """Another model, other sizes, a damaged file, a pipeline that takes none: each says whose LoRA, and why."""
    with pytest.raises(ModelError, match=r"LoRA 'ink' .+StableDiffusion3Pipeline"):
        load_loras(SD3.build(), {"ink": ink})
    wide = FAMILIES["sdxl"]
    with pytest.raises(ModelError, match="LoRA 'ink'"):
        load_loras(wide.build(), {"ink": ink})
    damaged = tmp_path / "ink.safetensors"
    damaged.write_bytes(ink.read_bytes()[:999])
    with pytest.raises(ModelError, match="LoRA 'ink'"):
        load_loras(SD15.build(), {"ink": damaged})
    with pytest.raises(ModelError, match="loads no LoRAs"):
        load_loras(object(), {"ink": ink})
