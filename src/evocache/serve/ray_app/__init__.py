"""Serving on many machines by Ray Serve: each replica is a server, as one machine has it.

In: settings as values, the address of a cluster. Out: an application of Ray Serve, which `serve run` takes as well.

- `replica_settings`: how many replicas there are, and what each takes of its machine
- `spread`: what settings several machines can share, and whether they share their folder
- `replica`: a server as Ray runs it
- `application`: what is deployed; `app` builds it from words
- `arguments`: settings from these words
- `deployed`: it is on a cluster, for as long as a process wants it there
- `deploy`: put it on a cluster until told to end

Imports all of the server.
"""

from __future__ import annotations

from .application import app

__all__ = ["app"]
