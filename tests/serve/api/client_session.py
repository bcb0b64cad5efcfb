"""What a user's program does with the official client, whichever generation of it is installed.

    python client_session.py ADDRESS

Prints what came of it, as JSON.
"""

from __future__ import annotations

import io
import json
import sys
import time
import warnings
from typing import Any

import openai
from PIL import Image

warnings.simplefilter("ignore")


def session(address: str) -> dict[str, Any]:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=2, timeout=60)
    found: dict[str, Any] = {"version": openai.__version__}
    answer = client.images.generate(prompt="a fox", model="stub", n=2, size="16x16", extra_body={"seed": 7})
    found["generate"] = [len(one.b64_json) for one in answer.data]
    found["account"] = [one["seed"] for one in answer.evocache["pictures"]]
    stream = client.images.generate(prompt="a fox", model="stub", stream=True, partial_images=1)
    found["stream"] = [event.type for event in stream]
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, "png")
    given = ("red.png", file.getvalue(), "image/png")
    found["edit"] = len(client.images.edit(image=given, prompt="a fox", model="stub").data)
    found["edit of a list"] = len(client.images.edit(image=[given], prompt="a fox", extra_body={"seed": 7}).data)
    found["models"] = [model.id for model in client.models.list()]
    found["model"] = client.models.retrieve("stub").id
    for name, body in (("misspelt", {"sead": 7}), ("too many", {"n": 99})):
        try:
            client.images.generate(prompt="a fox", extra_body=body)
        except openai.BadRequestError as error:
            found[name] = [error.param, error.code]
    if hasattr(client, "videos"):
        video = client.videos.create(prompt="a fox", seconds="4", extra_body={"seed": 7, "evocache": {"speedup": 1}})
        while video.status not in ("completed", "failed"):
            time.sleep(0.02)
            video = client.videos.retrieve(video.id)
        found["video"] = [video.status, video.seconds]
        found["content"] = len(client.videos.download_content(video.id).content) > 100
        remix = client.videos.remix(video.id, prompt="a hen")
        found["remix"] = remix.remixed_from_video_id == video.id
        found["list"] = len(client.videos.list().data)
        found["deleted"] = [client.videos.delete(one.id).deleted for one in (remix, video)]
    return found


if __name__ == "__main__":
    print(json.dumps(session(sys.argv[1])))
