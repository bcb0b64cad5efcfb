"""Records and patterns where nothing optional is installed: memory works, databases name what installs them."""

from __future__ import annotations

from tests.test_extras import run


def test_memory_patterns_and_reports_need_no_extra(tmp_path):
    code = """
import warnings
from evocache.errors import DependencyError, RecordWarning
from evocache.usage.patterns.report.analysis import analyse
from evocache.usage.records.event import Event
from evocache.usage.records.open_store import open_store

store = open_store(clock=lambda: 2.0)
store.append([Event(1.0, "acme", b"k", kind, size=10) for kind in ("miss", "hit")])
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    report = analyse(store, rooms=[10])
print(report.hit_rate, report.rooms[0].best_offline, report.detector, [w.category.__name__ for w in told])
for where in ("usage.db", "postgresql+pg8000://host/usage"):
    try:
        open_store(where)
    except DependencyError as error:
        print(error.given, "|", error.mend)
"""
    assert run(code, tmp_path).splitlines() == [
        "0.5 0.5 two halves ['RecordWarning']",
        'SQLAlchemy, which is not installed | pip install "evocache[usage]"',
        'SQLAlchemy, which is not installed | pip install "evocache[usage]"',
    ]
    assert list(tmp_path.iterdir()) == [], "nothing was begun"
