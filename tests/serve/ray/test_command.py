"""`evocache serve --ray local`: a real model behind the official client, from a command to its end."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

from tests.serve.ray.processes import below, free_port, until

pytest.importorskip("ray.serve", reason="Ray is not installed: pip install 'evocache[ray]'")


@pytest.mark.slow
def test_a_command_serves_pictures_of_a_model_and_leaves_nothing_behind(postgres: Any, fast_folder: Path):
    port = free_port()
    options = ["--ray", "local", "--port", str(port), "--database", postgres.create("ray_command"), "--drain", "5"]
    options += ["--folder", str(fast_folder / "served")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "EVOCACHE_HOME": str(fast_folder)}
    command = [sys.executable, "-m", "evocache", "serve", *options]
    begun = set[int]()
    with (fast_folder / "log").open("w+") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:
        try:
            address = f"zoo:emoji on http://127.0.0.1:{port}"
            until(lambda: process.poll() is not None or address in (fast_folder / "log").read_text(), 240)
            assert process.poll() is None, (fast_folder / "log").read_text()
            begun = below(process.pid)
            names = [Path(f"/proc/{one}/cmdline").read_bytes() for one in begun]
            assert sum(b"evocache.serve.workers.child" in name for name in names) == 1
            (replica,) = [one for one, name in zip(begun, names, strict=True) if name.startswith(b"ray::ServeReplica")]
            assert "libtorch" not in Path(f"/proc/{replica}/maps").read_text()
            with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", timeout=60) as client:
                answer = client.images.generate(prompt="fox on a navy background", extra_body={"speedup": 2, "seed": 7})
            assert answer.data is not None
            picture = Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or "")))
            assert len(picture.getcolors(picture.width * picture.height) or ()) > 16
            heads = [one for one, name in zip(begun, names, strict=True) if b"gcs_server" in name]
            assert [b"RAY_AUTH_MODE=token" in Path(f"/proc/{one}/environ").read_bytes() for one in heads] == [True]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 128 + signal.SIGTERM
            until(lambda: not any(Path(f"/proc/{one}").exists() for one in begun), 30)
        finally:
            process.kill()
            for one in begun:
                if Path(f"/proc/{one}").exists():
                    os.kill(one, signal.SIGKILL)
