"""What a result depends on, as a digest: equal for equal requests of one owner, and of no use to who lacks the secret.

No prompt, picture or name of an owner can be read from it, or tried out without the installation's secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ...usage.keys.canonical import encode
from ...usage.keys.digest import Digester
from ..requests.identity import Identity
from ..workers.card import ModelCard
from ..workers.task import Picture, Task

APART = frozenset({"id", "seed", "point", "user", "owner", "deadline", "loras"})
"""Fields of tasks that say who asks and how it is made; the seed and LoRAs stand by themselves. All others are in every
key."""

SEED_BYTES = 4
"""Bytes of a seed that is drawn from a key."""

MODEL = 80
"""Most characters of a model's name in the name of a context."""


@dataclass(frozen=True)
class Question:
    """One picture or film that is asked for.

    Attributes:
        task: what a worker would be asked for.
        name: of its result: digest of all that it depends on but the point of the front, in hexadecimal digits.
        asked: digest of what was asked for, which records know it by: without a seed where none was.
        tenant: whose data it is.
        owner: who asks, within the tenant.
        group: digest of model and prompt, in hexadecimal digits.
        context: what quality depends on: the model and its settings, without any text.
        seeded: whether a seed was asked for.
        prompt: in clear; neither stored nor recorded by itself.
    """

    task: Task
    name: str
    asked: bytes
    tenant: str
    owner: str
    group: str
    context: str
    seeded: bool
    prompt: str = field(default="", repr=False)


class Keys:
    """Makes keys of requests.

    Args:
        secret: the installation's.
        within_tenant: whether owners of a tenant share results.
    """

    def __init__(self, secret: bytes, *, within_tenant: bool = False) -> None:
        self._secret, self._within_tenant = secret, within_tenant
        self._digesters: dict[str, Digester] = {}

    def digester(self, tenant: str) -> Digester:
        """Return what makes the digests of a tenant; those of another differ in all of them."""
        if tenant not in self._digesters:
            self._digesters[tenant] = Digester(self._secret, tenant)
        return self._digesters[tenant]

    def seed(self, task: Task, card: ModelCard, who: Identity) -> int:
        """Return the seed that all requests like this one get where none is asked for, and results are reused."""
        digest = self._digest(who.tenant, ("seed", *self._parts(task, card, who)))
        return int.from_bytes(digest[:SEED_BYTES], "big")

    def question(self, task: Task, card: ModelCard, who: Identity, *, seeded: bool, at: int = 0) -> Question:
        """Return a task as a question.

        Args:
            task: with its seed.
            card: of its model.
            who: who asks.
            seeded: whether a seed was asked for.
            at: place among the pictures that were asked for at once.
        """
        parts = self._parts(task, card, who)
        name = self._digest(who.tenant, ("result", task.seed, *parts)).hex()
        wanted = name if seeded else self._digest(who.tenant, ("any seed", at, *parts)).hex()
        prompt = task.arguments.get("prompt")
        text = prompt if isinstance(prompt, str) else ""
        return Question(
            task,
            name,
            self._digest(who.tenant, wanted),
            who.tenant,
            who.owner,
            self._digest(who.tenant, ("group", card.name, text)).hex(),
            self._context(task, card, who.tenant),
            seeded,
            text,
        )

    def _parts(self, task: Task, card: ModelCard, who: Identity) -> tuple[Any, ...]:
        own = {each.name: _plain(getattr(task, each.name)) for each in fields(task) if each.name not in APART}
        return None if self._within_tenant else who.owner, card.fingerprint, own, *_loras(task, card)

    def _context(self, task: Task, card: ModelCard, tenant: str) -> str:
        settings = {name: value for name, value in task.arguments.items() if not isinstance(value, str)}
        digest = self._digest(tenant, ("context", card.fingerprint, settings, *_loras(task, card)))
        return f"{card.name[:MODEL]} {digest[:4].hex()}"

    def _digest(self, tenant: str, parts: Any) -> bytes:
        return self.digester(tenant).key(encode(parts))


def _loras(task: Task, card: ModelCard) -> tuple[Any, ...]:
    """LoRAs that act, with their weights and digests; nothing without, so that keys are those of models without any."""
    digests = {lora.name: lora.fingerprint for lora in card.loras}
    found = [(name, weight, digests.get(name, "")) for name, weight in sorted(task.loras.items())]
    return (found,) if found else ()


def _plain(value: Any) -> Any:
    """A field of a task as values that have an encoding; pictures by a digest of what they show."""
    if isinstance(value, Picture):
        shape = value.width, value.height, value.frames, value.channels
        return "picture", *shape, hashlib.blake2b(value.pixels, digest_size=32).digest()
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, Mapping) else value
