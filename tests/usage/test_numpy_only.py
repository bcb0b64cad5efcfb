"""Keys, codecs and the disk tier do without torch, frames and clients of servers."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import sys
from importlib.machinery import PathFinder

MISSING = {"torch", "pandas", "polars", "pyarrow", "valkey", "PIL", "safetensors", "diffusers", "sqlalchemy"}

class Others(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in MISSING else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Others

import numpy as np
from evocache.errors import DependencyError
from evocache.usage.keys.canonical import encode_arguments
from evocache.usage.keys.code_version import code_version
from evocache.usage.keys.digest import Digester
from evocache.usage.keys.protection import protect
from evocache.usage.keys.secret import installation_secret
from evocache.usage.keys.sizes import size_of
from evocache.usage.tiers.codecs.codec import Codecs
from evocache.usage.tiers.disk import DiskTier
from evocache.usage.tiers.shared import SharedTier
from evocache.usage.tiers.tier import Stored
from evocache.usage.tiers.write_behind import WriteBehind

def answer(x): return x + 1

secret = installation_secret("home")
name = encode_arguments({"x": np.arange(3)}) + code_version(answer)
key = Digester(secret).key(name)
codecs = Codecs(secret=secret)
kept, give = protect({"value": answer(np.arange(3))})
format, payload = codecs.encode(kept)
stored = Stored(payload, format, 1.0, size_of(kept), 0.0)
with WriteBehind(DiskTier("answers.db", secret=secret, max_bytes=1 << 20)) as tier:
    tier.put_many([(key, stored)])
with DiskTier("answers.db", secret=secret, max_bytes=1 << 20) as tier:
    found = tier.get(key)
print(format, codecs.decode(found.format, found.payload)["value"].tolist())
try:
    SharedTier("valkey://nowhere", secret=secret, max_bytes=1 << 20)
except DependencyError as error:
    print(error.mend)
print(MISSING & sys.modules.keys())
"""


def test_a_program_that_has_numpy_alone(tmp_path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, env=env, capture_output=True, text=True)
    said = ["tensors [1, 2, 3]", 'pip install "evocache[usage]"', "set()"]
    assert done.stdout.splitlines() == said, done.stderr
