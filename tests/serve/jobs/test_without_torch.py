"""The server's process knows no torch."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys
import evocache.serve.jobs.calls, evocache.serve.jobs.runs, evocache.serve.jobs.store
from evocache.serve.database.database import Database
Database("sqlite:///" + sys.argv[1]).close()
print(*{"torch", "diffusers", "fastapi"} & sys.modules.keys())
"""


def test_jobs_are_kept_without_torch(fast_folder):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, str(fast_folder / "server.db")]
    assert subprocess.run(command, env=env, text=True, capture_output=True, check=True).stdout == "\n"
