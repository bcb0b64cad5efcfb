"""What a server is told when it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..errors import ServeError
from ..units import in_bytes
from .access.exposure import Exposure, exposure_of
from .bounds import check_bounds
from .requests.fit import Limits
from .reuse.settings import ReuseSettings
from .workers.worker import LoraSource


@dataclass(frozen=True)
class Settings:
    """What a server is told.

    Attributes:
        models: names of the zoo, folders or hub ids, by the names that requests call them.
        fronts: folders of runs or files of fronts, by the names of models, and by `MODEL:LORA` for one with a LoRA.
        host: address that it listens on.
        port: 0 takes a free one.
        memory: most bytes of a worker, weights included; None for no limit.
        workers: processes, each on a device of its own where there are several; 0 computes in the server's process.
        device: of the workers.
        dtype: of the models.
        open: most generations that run at a time in a worker.
        threads: of torch in a worker on the CPU.
        folder: for the database, results and the cache on the disk; None keeps all in a folder that goes at the end.
        database: URL of a Postgres database in place of a file of SQLite; results are in the folder, which its servers
            share; the cache is on no disk then.
        shared: URL of a Valkey server that several servers share results by.
        lease: seconds that a server may be silent before others of its database take over what it had promised.
        limits: of one request.
        body: most bytes of a request.
        keep: seconds that results of videos and pictures in the background are kept; None for ever.
        disk_bytes: that they may take; the oldest leave first.
        names: of hosts that the server goes by besides those of loopback; `*` for any.
        origins: of pages of other sites that may ask.
        insecure: whether others may reach it without keys.
        secret: of the installation, that links are signed with; one of this run if None.
        log: form of the log's lines.
        drain: seconds that what runs may take to end when the server is told to.
        reuse: what is shared across requests, and how much is kept.
        loras: that requests may name, by the names of models, and their own.
        measure: share of what is made at points of fronts that is made once more uncached, while nothing else is to be
            done, to measure their quality.
        conditioning: most bytes of outputs of encoders that each worker holds; None as `WorkerSettings` says.

    Raises:
        ServeError: if there are no models; if there is a database, and no folder: its jobs would outlive their results;
            or if a number makes no sense.
        AmountError: if the memory is no amount.
    """

    models: Mapping[str, str]
    fronts: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8000
    memory: str | None = None
    workers: int = 1
    device: str = "auto"
    dtype: str = "auto"
    open: int = 16
    threads: int | None = None
    folder: Path | None = None
    database: str | None = None
    shared: str | None = None
    lease: float = 30.0
    limits: Limits = field(default_factory=Limits)
    body: int = 64 << 20
    keep: float | None = 86400.0
    disk_bytes: int | None = 10_000_000_000
    names: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    insecure: bool = False
    secret: bytes | None = field(default=None, repr=False)
    log: Literal["text", "json"] = "text"
    drain: float = 30.0
    reuse: ReuseSettings = field(default_factory=ReuseSettings)
    loras: Mapping[str, Mapping[str, LoraSource]] = field(default_factory=dict)
    measure: float = 0.01
    conditioning: str | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise ServeError("no models", "at least one", 'name one, such as models={"emoji": "zoo:emoji"}')
        if self.database is not None and self.folder is None:
            given, expected = "a database without a folder", "a folder for results, which last as long as its jobs"
            raise ServeError(given, expected, "give --folder too; servers of one database share it")
        if not 0 <= self.measure <= 1:
            raise ServeError(f"measure {self.measure:g}", "a share, from 0 to 1", "try 0.01; 0 measures nothing")
        check_bounds(self, "port", least=0, most=65535)
        check_bounds(self, "workers", "drain", "disk_bytes", least=0)
        check_bounds(self, "open", "threads", "body", least=1)
        check_bounds(self, "lease", "keep")
        if self.memory is not None:
            in_bytes(self.memory)

    @property
    def exposure(self) -> Exposure:
        """Whom the server is reached by.

        Raises:
            ServeError: if an origin is none.
        """
        return exposure_of(self.host, self.names, self.origins)
