"""LoRAs through HTTP, with a real worker, of a tiny pipeline on the disk."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from evocache.loading.lora_files import load_loras
from evocache.serve.settings import Settings
from evocache.serve.start import create_service
from evocache.serve.workers.worker import LoraSource
from tests.serve.running_server import running
from tests.tiny import FAMILIES
from tests.tiny.loras import save_lora

BODY = {"prompt": "a red fox", "num_inference_steps": 3, "seed": 7, "size": "32x32", "guidance_scale": 4.0}
SETS: list[dict[str, float]] = [{"ink": 0.8}, {}, {"clay": 0.5, "ink": -0.7}, {"clay": 1.0}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, make = tmp_path_factory.mktemp("tiny"), FAMILIES["sd15"].build
    make().save_pretrained(folder / "model")
    save_lora(make, folder / "ink.safetensors", seed=1, parts=("unet", "text_encoder"))
    save_lora(make, folder / "clay.safetensors", seed=2, parts=("unet",))
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    loras = {
        "ink": LoraSource(str(folder / "ink.safetensors"), 0.8),
        "clay": LoraSource(str(folder / "clay.safetensors")),
    }
    settings = Settings({"tiny": str(folder / "model")}, device="cpu", threads=1, loras={"tiny": loras})
    with running(create_service(settings)) as url:
        for _ in range(3000):
            found = httpx.get(f"{url}/readyz", timeout=30)
            if found.status_code == 200:
                break
            time.sleep(0.05)
        assert found.status_code == 200, found.text
        yield url


def plainly(folder: Path, loras: dict[str, float]) -> Any:
    """What the plain pipeline gives, with LoRAs by diffusers' own means; without, one that never loaded any."""
    pipe = StableDiffusionPipeline.from_pretrained(folder / "model", safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    load_loras(pipe, {name: folder / f"{name}.safetensors" for name in sorted(loras)})
    if loras:
        pipe.enable_lora()
        pipe.set_adapters(sorted(loras), [loras[name] for name in sorted(loras)])
    call = {"prompt": BODY["prompt"], "num_inference_steps": 3, "height": 32, "width": 32, "guidance_scale": 4.0}
    (image,) = pipe(**call, generator=torch.Generator().manual_seed(7)).images
    return np.asarray(image, dtype=np.int16)


def ask(address: str, loras: Any) -> tuple[Any, dict[str, Any]]:
    body = {**BODY, "loras": loras, "cache": "off"}
    answer = httpx.post(f"{address}/v1/images/generations", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    image = Image.open(io.BytesIO(base64.b64decode(found["data"][0]["b64_json"])))
    return np.asarray(image.convert("RGB"), dtype=np.int16), found["evocache"]["pictures"][0]


@pytest.mark.filterwarnings("ignore")  # of the host as it loads a pipeline from the disk
def test_requests_of_different_loras_beside_one_another_are_what_they_are_alone(address: str, folder: Path) -> None:
    expected = [plainly(folder, loras) for loras in SETS]
    apart = [np.abs(one - other).max() for at, one in enumerate(expected) for other in expected[:at]]
    assert min(apart) > 3
    for loras, wanted in zip(SETS, expected, strict=True):  # alone
        assert np.abs(ask(address, loras)[0] - wanted).max() <= 1
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda loras: ask(address, loras), [*SETS, *SETS]))
    for (picture, account), loras, wanted in zip(found, [*SETS, *SETS], [*expected, *expected], strict=True):
        assert np.abs(picture - wanted).max() <= 1
        assert account.get("loras", {}) == loras
    assert np.array_equal(ask(address, ["ink"])[0], ask(address, {"ink": 0.8})[0])
    (model,) = httpx.get(f"{address}/v1/models").json()["data"]
    assert [lora["name"] for lora in model["evocache"]["loras"]] == ["ink", "clay"]
    refused = httpx.post(f"{address}/v1/images/generations", json={**BODY, "loras": [str(folder / "ink.safetensors")]})
    assert refused.status_code == 400
    assert "it has ink, clay" in refused.json()["error"]["message"]
