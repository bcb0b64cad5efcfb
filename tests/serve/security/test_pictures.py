"""Pictures as weapons: small files that unpack to much, files that are none, and addresses in their place."""

from __future__ import annotations

import io
import random
import struct
import zlib

import httpx
import pytest
from PIL import Image

from evocache.serve.api.errors import ApiError
from evocache.serve.api.pictures import PIXELS, read_mask, read_picture
from tests.serve.security.conftest import Serve
from tests.serve.stub_worker import StubWorker


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, and ends early."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def saved(image: Image.Image, format: str = "PNG", **values: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **values)
    return file.getvalue()


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 1), (1, 2**31 - 1), (4097, 4096), (16_000, 16_000)])
@pytest.mark.parametrize("read", [read_picture, read_mask])
def test_large_pictures_are_refused_before_they_are_unpacked(size: tuple[int, int], read):
    assert size[0] * size[1] > PIXELS
    with pytest.raises(ApiError) as refused:
        read(png(*size), "image")
    assert refused.value.status == 413


def test_files_that_were_tampered_with_are_read_or_refused():
    """Never anything else: no fault of the server, whatever the bytes."""
    chance = random.Random(0)
    image = Image.effect_noise((16, 16), 50)
    modes = ("RGB", "RGBA", "P", "I;16", "L")
    files = [saved(image.convert(mode)) for mode in modes]
    files += [saved(image.convert("RGB"), "JPEG"), saved(image.convert("CMYK"), "JPEG"), saved(image, "WEBP")]
    refused = []
    for _ in range(2000):
        file = bytearray(chance.choice(files))
        for _ in range(chance.randint(1, 5)):
            file[chance.randrange(len(file))] = chance.randrange(256)
        del file[chance.randrange(len(file) // 2, 2 * len(file)) :]
        try:
            read_picture(bytes(file), "image")
        except ApiError as error:
            refused.append(error.status)
    assert set(refused) <= {400, 413}
    assert 0 < len(refused) < 2000


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_formats_with_readers_that_are_seldom_looked_at_are_refused(kind: str):
    with pytest.raises(ApiError):
        read_picture(saved(Image.new("RGB", (16, 16)), kind), "image")


def test_addresses_are_never_asked(serve: Serve, worker: StubWorker):
    """Neither in fields, nor as the content of a file."""
    url = serve()
    for address in ("http://169.254.169.254/a.png", "file:///etc/passwd", "data:image/png;base64,AAAA"):
        forms = [
            ("/v1/images/edits", {"image": (None, address)}),
            ("/v1/images/edits", {"image": ("a.png", address.encode())}),
            ("/v1/videos", {"input_reference": (None, address)}),
            ("/v1/videos", {"input_reference": ("a.png", address.encode())}),
        ]
        for path, parts in forms:
            answer = httpx.post(url + path, files={"prompt": (None, "a fox"), **parts})
            assert answer.status_code == 400, path
            assert answer.json()["error"]["param"] in ("image", "input_reference")
        answer = httpx.post(f"{url}/v1/videos", json={"prompt": "a fox", "input_reference": {"image_url": address}})
        assert answer.status_code == 400
        answer = httpx.post(f"{url}/v1/images/generations", json={"prompt": "a fox", "image": address})
        assert answer.json()["error"]["code"] == "unknown_field"
    assert not worker.tasks
