"""Models by name: where each is, how many bytes it has, and what is said of one that there is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evocache import zoo
from evocache.errors import InputError, ModelError, ZooError
from evocache.loading.dtypes import check_device, choose_device, find_dtype
from evocache.loading.pipelines import choose_steps, count_stored_bytes, load_pipeline, locate
from tests.cli.conftest import weights
from tests.tiny import FAMILIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("pixart")
    FAMILIES["pixart"].build().save_pretrained(path)
    return str(path)


def test_bytes_are_those_of_the_weights_on_this_machine(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights()
    size = sum(file.stat().st_size for file in Path(folder).rglob("*.safetensors"))
    assert count_stored_bytes(folder) == size > 0
    own = sum(file.stat().st_size for file in zoo.find("zoo:emoji").folder.rglob("*.safetensors"))
    assert count_stored_bytes("zoo:emoji") == own > 1e6
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert count_stored_bytes("owner/name") is None
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(bytes(1000))
    assert count_stored_bytes("owner/name") == 1000


@pytest.mark.filterwarnings("ignore:`torch_dtype`:FutureWarning")
def test_a_folder_is_loaded_in_the_type_that_is_asked_for(folder: str) -> None:
    pipe = load_pipeline(folder, device="cpu", dtype="bfloat16")
    assert pipe.transformer.dtype is torch.bfloat16
    assert pipe.transformer.device.type == "cpu"
    assert choose_steps(pipe) == 20
    assert choose_steps(pipe, 3) == 3


@pytest.mark.parametrize(
    ("name", "error", "word"),
    [
        ("arch:flux-dev-1024", ModelError, "no weights"),
        ("nobody knows", ModelError, "zoo:emoji"),
        ("zoo:nothing", ZooError, "zoo:emoji"),
        (".", ModelError, "model_index.json"),
        (__file__, ModelError, "save_pretrained"),
    ],
)
def test_what_is_no_model_is_refused_before_anything_is_loaded(
    name: str, error: type[Exception], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=word):
        locate(name)


def test_what_is_no_type_or_device_is_refused() -> None:
    with pytest.raises(InputError, match="float16"):
        find_dtype("float7")
    with pytest.raises(InputError, match="cuda:1"):
        check_device("gpu")
    assert find_dtype("auto", "cpu") is torch.float32


def test_names_are_found_without_torch() -> None:
    lines = (
        "import sys",
        "from evocache.loading.pipelines import locate",
        "locate('emoji')",
        "assert 'torch' not in sys.modules",
    )
    assert subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode == 0


def test_gpus_are_shared_out_by_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu", 3) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [choose_device(name, 1) for name in ("auto", "cuda")] == ["cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [choose_device("auto", slot) for slot in range(4)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert choose_device("cuda:1", 2) == "cuda:1"
