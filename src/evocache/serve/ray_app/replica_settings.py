"""How many servers there are, and what each takes of its machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..bounds import check_bounds


@dataclass(frozen=True)
class ReplicaSettings:
    """What Ray is told of the replicas.

    Attributes:
        replicas: how many there are.
        cpus: that each takes of its machine, in Ray's account; its workers share so many threads if not told otherwise.
        gpus: that each takes; parts of one are shared.
        patience: seconds that a replica may be without a worker that takes requests before Ray replaces it.

    Raises:
        ServeError: if a number makes no sense.
    """

    replicas: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    patience: float = 120.0

    def __post_init__(self) -> None:
        check_bounds(self, "replicas", least=1)
        check_bounds(self, "cpus", "gpus", "patience", least=0)
