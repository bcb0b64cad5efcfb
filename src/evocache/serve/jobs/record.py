"""What is known of a job: who asked for what, how far it is, and what came of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ...errors import JobError, short
from ..requests.identity import Identity
from .states import OPEN, State

Kind = Literal["video", "picture"]

SEEDS = 1 << 63
"""Seeds are below this: what a database holds, and what other servers take."""

_ID = re.compile(rf"(?:{'|'.join(get_args(Kind))})_[0-9a-f]{{32}}\Z")


def new_id(kind: Kind) -> str:
    """Return an id that nobody can guess: 128 random bits, such as `video_4f0c...`."""
    return f"{kind}_{secrets.token_hex(16)}"


def is_id(text: str) -> bool:
    """Return whether a text is of the form of an id; whatever else is asked for does not exist."""
    return _ID.match(text) is not None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a front that was chosen for a picture of a job; it stays when the job runs again.

    Attributes:
        index: its place in the model's front when it was chosen; None computes everything.
        label: its name, which stays with its schedule where a front changes.
    """

    index: int | None
    label: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, in words that its owner may read.

    Attributes:
        code: one word, for programs.
        text: what happened.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file of a result; `ResultFiles.keep` makes it.

    Attributes:
        name: its name within the folder of its tenant.
        variant: which part of the result it is: `video`, `thumbnail`, `spritesheet`, `picture-0`...
        bytes: its size.
        media_type: such as `video/mp4`.
    """

    name: str
    variant: str
    bytes: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a job gave.

    Attributes:
        files: all of them, whole on the disk.
        details: JSON text of how it was made, to be told with the result.
    """

    files: tuple[ResultFile, ...]
    details: str = "{}"

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it was when it was read.

    Attributes:
        id: of `new_id`.
        kind: what it makes.
        tenant: whose key it was.
        owner: who asked: the tenant and the key.
        user: for whom, as the owner said.
        model: name of the model.
        request: JSON text of what was asked for, without pictures; private, and shown to its owner alone.
        seed: of its first picture; the next has the next one.
        created: when it was added, in seconds since 1970, as are all times.
        state: what it does.
        points: by number of the picture, the point that was chosen when it was first begun.
        attempts: how often it was begun.
        crashes: how often what computed it died.
        progress: of 100; what is done of the present attempt.
        started: when it was last begun.
        ended: when it was done or failed.
        expires: when it is deleted; None as long as it is open.
        error: why it failed.
        result: what it gave, once it is done.
        bytes: room on the disk that its result takes, or, as long as it is open, is expected to take, with the
            pictures that were given for it.
        remixed_from: id of the job that it was made from.

    Raises:
        JobError: if a value is none that a job can have.
    """

    id: str
    kind: Kind
    tenant: str
    owner: str
    model: str
    request: str = field(repr=False)
    seed: int
    created: float
    user: str = field(default="", repr=False)
    state: State = "queued"
    points: Mapping[int, Point] = field(default_factory=dict)
    attempts: int = 0
    crashes: int = 0
    progress: int = 0
    started: float | None = None
    ended: float | None = None
    expires: float | None = None
    error: Failure | None = None
    result: Result | None = None
    bytes: int = 0
    remixed_from: str | None = None

    def __post_init__(self) -> None:
        if not is_id(self.id):
            raise JobError(f"the id {short(self.id)} of a job", "one of new_id(kind)", "call new_id")
        if not 0 <= self.seed < SEEDS:
            raise JobError(f"the seed {short(self.seed)} of a job", f"0 to {SEEDS - 1}", "give a smaller one")
        for name in ("tenant", "owner", "user", "model", "request"):
            if not _storable(getattr(self, name)):
                raise JobError(
                    f"the {name} of a job",
                    "a text without the character of number 0 and without half characters",
                    "leave those characters out, or write them as JSON does",
                )

    @property
    def who(self) -> Identity:
        """Who asked for it."""
        return Identity(self.tenant, self.owner, self.user)

    @property
    def open(self) -> bool:
        """Whether it is queued or running."""
        return self.state in OPEN


def _storable(text: str) -> bool:
    """Whether each database takes a text."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
