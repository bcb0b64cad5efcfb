"""Clients of a server that is killed: what they were promised, and what they got."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

VARIANTS = "video", "thumbnail", "spritesheet"


@dataclass
class Promised:
    """What the server said, over all its lives.

    Attributes:
        prompts: of videos that it acknowledged, by id.
        contents: digests of what it sent of them, by id and variant.
        dropped: ids of videos that clients asked to delete.
        statuses: of all answers, how often.
        faults: what must not be.
    """

    prompts: dict[str, str] = field(default_factory=dict)
    contents: dict[tuple[str, str], str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def promise(self, video: dict[str, Any]) -> None:
        """Note a video that was acknowledged."""
        with self.lock:
            self.prompts[video["id"]] = video["prompt"]

    def got(self, id: str, variant: str, content: bytes) -> None:
        """Note what was sent; it has to be what was sent before."""
        digest = hashlib.sha256(content).hexdigest()
        with self.lock:
            if self.contents.setdefault((id, variant), digest) != digest:
                self.faults.append(f"{variant} of {id} is another one than before")


def look(client: httpx.Client, promised: Promised, id: str) -> str:
    """Look at a video, and at its content if it has one; return its status, empty if it was deleted."""
    answer = client.get(f"/v1/videos/{id}")
    promised.statuses[answer.status_code] += 1
    if id in promised.dropped:
        return ""
    if answer.status_code != 200 or answer.json()["prompt"] != promised.prompts[id]:
        promised.faults.append(f"{id} is lost: {answer.status_code} {answer.text}")
        return "lost"
    status = str(answer.json()["status"])
    if status == "failed" and answer.json()["error"]["code"] != "crashed":
        promised.faults.append(f"{id} failed: {answer.text}")
    if status == "completed":
        for variant in VARIANTS:
            sent = client.get(f"/v1/videos/{id}/content", params={"variant": variant})
            if id in promised.dropped:
                return ""
            if sent.status_code != 200:
                promised.faults.append(f"{variant} of {id}: {sent.status_code} {sent.text}")
            else:
                promised.got(id, variant, sent.content)
    return status


class Client(threading.Thread):
    """Asks for videos and pictures, looks at what became of them, deletes some, until the server is gone.

    Args:
        address: of the server.
        promised: notes what it says.
        number: of the draw.

    Attributes:
        answered: set after its first answer.
    """

    def __init__(self, address: str, promised: Promised, number: int) -> None:
        super().__init__(daemon=True)
        self.answered = threading.Event()
        self._address, self._promised, self._draw = address, promised, random.Random(number)

    def run(self) -> None:
        own: list[str] = []
        with httpx.Client(base_url=self._address, timeout=30) as client:
            try:
                while True:
                    self._act(client, own)
                    self.answered.set()
            except httpx.TransportError:
                return

    def _act(self, client: httpx.Client, own: list[str]) -> None:
        promised, draw = self._promised, self._draw
        what = draw.random()
        if what < 0.45 or not own:
            answer = client.post("/v1/videos", json={"prompt": f"fox {draw.random()}", "speedup": 1})
            if answer.status_code == 200:
                promised.promise(answer.json())
                own.append(answer.json()["id"])
        elif what < 0.6:
            answer = client.post("/v1/images/generations", json={"prompt": f"hen {draw.random()}"})
        elif what < 0.95:
            look(client, promised, draw.choice(own))
            return
        else:
            id = own.pop(draw.randrange(len(own)))
            promised.dropped.add(id)
            answer = client.delete(f"/v1/videos/{id}")
        promised.statuses[answer.status_code] += 1
        if answer.status_code == 429:
            time.sleep(0.02)
        elif answer.status_code not in (200, 503):
            promised.faults.append(f"{answer.request.url}: {answer.status_code} {answer.text}")
