"""Try the whole API by its description for minutes: `python -m benchmarks.serve.fuzz [--minutes 5]`.

The server has stub workers; requests are those of `tests/serve/whole/test_api_fuzz.py`, drawn anew each round. Writes
`results/serve_fuzz.json`; ends with 1 if a request made the server fail, or an answer is not as it is described.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from schemathesis import GenerationMode

from benchmarks.environment import write
from tests.serve.whole.api_fuzz import Api
from tests.serve.whole.servers import Servers

EXAMPLES = 40
"""Requests of each operation in a round."""


def main() -> None:
    """Try, and write what became of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    args = parser.parse_args()
    statuses: dict[str, Counter[int]] = {}
    faults: dict[str, str] = {}
    number, until = 0, time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory() as folder, Servers() as servers:
        servers.start(Path(folder))
        api = Api(servers.ready())
        while time.monotonic() < until:
            number += 1
            for operation in api.operations():
                if time.monotonic() > until:
                    break
                for mode in GenerationMode:
                    tried = api.try_out(operation, mode, EXAMPLES, number)
                    statuses.setdefault(operation.label, Counter()).update(tried.statuses)
                    faults.update(tried.faults)
    found = {
        "minutes": args.minutes,
        "requests": sum(sum(one.values()) for one in statuses.values()),
        "statuses": {label: dict(sorted(one.items())) for label, one in statuses.items()},
        "faults": faults,
    }
    write("serve_fuzz", found)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
