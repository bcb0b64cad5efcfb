"""The installation's secret: 32 random bytes in a file of its owner's, that digests and checksums are keyed by.

Whoever reads a database without it cannot find out whether a question was asked: digests of guesses need the secret.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from ...errors import UsageError
from ...user_warnings import warn

SIZE = 32
"""Bytes of a secret."""

_FORM = re.compile(rb"evocache secret 1: ([0-9a-f]{64}) ([0-9a-f]{8})\n")


def home() -> Path:
    """Return the folder of what evocache keeps for its user.

    That is `$EVOCACHE_HOME`, or `evocache` in `$XDG_CONFIG_HOME`, or `~/.config/evocache`.
    """
    given = os.environ.get("EVOCACHE_HOME")
    if given:
        return Path(given)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "evocache"


def installation_secret(folder: str | os.PathLike[str] | None = None, *, create: bool = True) -> bytes:
    """Return the installation's secret, which is made when it is first asked for.

    Processes that ask at once for the first time get one and the same. Machines that share a cache need the same file.

    Args:
        folder: where the file `secret` is; that of `home()` when not given.
        create: whether to make one where there is none.

    Returns:
        32 bytes.

    Raises:
        UsageError: if the file is damaged, cannot be read or written, or is missing and is not to be made.
    """
    path = (home() if folder is None else Path(folder)) / "secret"
    try:
        if create and not path.exists():
            _create(path)
        content = path.read_bytes()
        readable = os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077
    except FileNotFoundError:
        mend = "put the file back, or have a new one made: everything that was stored is then lost"
        raise UsageError(f"no secret at {path}", "the file that a cache was begun with", mend) from None
    except OSError as error:
        mend = "set EVOCACHE_HOME to a folder that can be written, or pass `secret=`"
        raise UsageError(f"{error.strerror} at {path}", "a file of the installation's secret", mend) from error
    match = _FORM.fullmatch(content)
    if match is None or _check(match[1]) != match[2]:
        mend = f"put the file back from a copy, or delete {path}: everything that was stored is then lost"
        raise UsageError(f"a damaged secret of {len(content)} bytes at {path}", "the file as it was made", mend)
    if readable:
        told = f"{path} can be read by other users of this machine; try: chmod 600 {path}"
        warn(told)
    return bytes.fromhex(match[1].decode())


def _create(path: Path) -> None:
    """Make a secret, unless another process was faster: the file appears whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digits = os.urandom(SIZE).hex().encode()
    draft = path.with_name(f"secret-{os.urandom(8).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(b"evocache secret 1: %s %s\n" % (digits, _check(digits)))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _check(digits: bytes) -> bytes:
    return hashlib.blake2b(digits, digest_size=4).hexdigest().encode()
