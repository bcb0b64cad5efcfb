"""The process that is killed: `python -m benchmarks.usage.faults.writer PLACES FIRST SEED`.

It answers questions in a thread for each place, and says in lines what happened: `PLACE given NUMBER TIME` when an
answer was given; `PLACE answers NUMBER` and `PLACE records NUMBER` when all before that number are said to be kept.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from random import Random

from .place import Opened, Place, answer, from_json, key

WAYS = ("durable", "flush", "close", "behind")
"""How answers get to be kept: before they are given, by `flush`, by `close`, or a moment later."""


def say(*words: object) -> None:
    """Write a line, whole."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def write(place: Place, first: int, seed: str) -> None:
    """Answer questions, from a number on, until killed."""
    draw, number = Random(seed), first
    while True:
        way = draw.choice(WAYS)
        with Opened(place, durable=way == "durable") as opened:
            for _ in range(draw.randrange(1, 6)):
                for _ in range(draw.randrange(1, 20)):
                    owner = f"owner {number % 7}"
                    opened.cache.get_or_compute(key(number), lambda: answer(number), owner=owner, seconds=1.0)  # noqa: B023
                    say(place.name, "given", number, time.time())
                    number += 1
                    if way == "durable":
                        opened.check()
                        say(place.name, "answers", number)
                if way == "flush":
                    opened.cache.flush()
                    opened.check()
                    say(place.name, "answers", number)
                    say(place.name, "records", number)
                if way == "behind":
                    time.sleep(draw.random())
        opened.check()
        say(place.name, "answers", number)
        say(place.name, "records", number)


def run(place: Place, first: int, seed: str) -> None:
    """Write until killed; end the process where something else ends it."""
    try:
        write(place, first, seed)
    except BaseException as error:
        say(place.name, "failed", f"{type(error).__name__}: {error}")
        os._exit(1)


if __name__ == "__main__":
    places, first, seed = from_json(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    say("ready")
    for place in places:
        threading.Thread(target=run, args=(place, first, f"{seed} {place.name}")).start()
