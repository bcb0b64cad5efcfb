"""A notebook's steps over frames, computed once: today, and after the notebook was restarted."""

from __future__ import annotations

import tempfile

import pandas

from evocache import cached

FOLDER = tempfile.mkdtemp()  # a folder of your own, which is still there tomorrow


def steps() -> list[str]:
    """Load, aggregate and report what was computed, as the cells of a notebook do."""
    computed = []

    @cached(disk=FOLDER, version=1)
    def load(rows: int) -> pandas.DataFrame:
        computed.append("load")
        return pandas.DataFrame({"city": ["Oslo", "Rome"] * rows, "sold": range(2 * rows)})

    @cached(disk=FOLDER, version=1)
    def sold(frame: pandas.DataFrame, by: str) -> pandas.DataFrame:
        computed.append("sold")
        return frame.groupby(by, as_index=False)["sold"].sum()

    print(sold(load(1000), by="city"))
    for function in (load, sold):
        function.cache.close()  # writes what is to be written
    return computed


def main() -> None:
    """Run the steps twice: the second time nothing is computed."""
    print("computed:", steps())
    print("computed after a restart:", steps() or "nothing")


if __name__ == "__main__":
    main()
