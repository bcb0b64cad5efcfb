"""`python -m benchmarks.tables`: write the tables of all pages anew."""

from __future__ import annotations

from benchmarks.tables import PAGES, with_tables
from benchmarks.tables.results import ROOT

if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
