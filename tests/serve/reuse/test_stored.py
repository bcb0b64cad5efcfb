"""Results as bytes are without loss, and small."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from evocache.serve.requests.answer import Account
from evocache.serve.reuse import stored
from evocache.serve.reuse.stored import StoredResult
from evocache.serve.workers.task import Picture

ACCOUNT = Account("gen_1", 7, "fast", 2.5, 38.0, seconds={"compute": 1.5, "queue": 0.5}, notes=("a note",))
WAVES = (np.add.outer(np.arange(24), np.arange(32)) * 3 % 256).astype(np.uint8)


def picture(frames: int = 1, channels: int = 3) -> Picture:
    each = [np.stack([np.roll(WAVES, at + channel, 1) for channel in range(channels)], -1) for at in range(frames)]
    return Picture(np.stack(each).tobytes(), 32, 24, frames, channels)


@pytest.mark.parametrize("made", [picture(), picture(channels=1), picture(5), picture(5, 1)])
def test_nothing_is_lost(made: Picture):
    kept = StoredResult.from_bytes(StoredResult.of(made, ACCOUNT).to_bytes())
    assert kept.picture == made
    assert (kept.point, kept.speedup, kept.quality, kept.seconds, kept.notes) == ("fast", 2.5, 38.0, 1.5, ("a note",))
    assert len(kept.file) < len(made.pixels)


def test_noise_and_frames_of_it_are_kept_as_well():
    noise = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3), np.uint8)
    for made in (Picture(noise.tobytes(), 7, 9, 3), Picture(noise[0].tobytes(), 7, 9)):
        assert StoredResult.from_bytes(StoredResult.of(made, ACCOUNT).to_bytes()).picture == made


def test_the_smallest_form_is_taken(monkeypatch: pytest.MonkeyPatch):
    still = StoredResult.of(picture(), ACCOUNT)
    image = Image.frombytes("RGB", (32, 24), picture().pixels)
    sizes = {}
    for format, settings in (("png", {}), ("webp", {"lossless": True})):
        image.save(file := io.BytesIO(), format, **settings)
        sizes[format] = len(file.getvalue())
    assert (still.format, len(still.file)) == min(sizes.items(), key=lambda one: one[1])
    one = picture().pixels
    film = Picture(one * 50, 32, 24, 50)  # nothing moves
    assert len(StoredResult.of(film, ACCOUNT).file) < 2 * len(StoredResult.of(picture(2), ACCOUNT).file)
    monkeypatch.setattr(stored, "WEBP_PIXELS", 0)
    assert StoredResult.of(film, ACCOUNT).format == "zlib"
    assert StoredResult.of(picture(), ACCOUNT).format == "png"


@pytest.mark.parametrize("content", [b"", b"none", b"{}\nfile", b"[]\n", b'{"notes": []}\n'])
def test_what_is_no_result_is_told(content: bytes):
    with pytest.raises(ValueError, match=r"Expecting value|no result"):
        StoredResult.from_bytes(content)


def test_a_file_of_another_size_is_told():
    kept = StoredResult.of(picture(), ACCOUNT)
    wrong = StoredResult.from_bytes(kept.to_bytes().replace(b'"width":32', b'"width":31'))
    with pytest.raises(ValueError, match="bytes of pixels"):
        _ = wrong.picture
