import re
from io import StringIO

import pytest
from rich.console import Console

from evocache.tables import Column, fitted, in_bytes, in_decibels, in_flops, in_percent, in_seconds, table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (in_bytes(0), "0 B"),
        (in_bytes(1023), "1023 B"),
        (in_bytes(1548288), "1.5 MiB"),
        (in_bytes(3 << 30), "3.0 GiB"),
        (in_seconds(0.01234), "12.3 ms"),
        (in_seconds(1.5), "1.50 s"),
        (in_seconds(250.0), "250 s"),
        (in_seconds(2e-7), "0.20 µs"),
        (in_flops(12), "12 FLOP"),
        (in_flops(2.5e9), "2.5 GFLOP"),
        (in_flops(4e12), "4 TFLOP"),
        (in_flops(4e15), "4 PFLOP"),
        (in_flops(4e18), "4e+03 PFLOP"),
        (in_percent(0.355), "36%"),
        (in_decibels(31.25), "31.2 dB"),
        (in_decibels(float("inf")), "∞"),
    ],
)
def test_numbers_with_units(text, expected):
    assert text == expected


def test_cells_are_text_and_numbers_are_never_cut():
    console = Console(file=StringIO(), width=40)
    columns = (Column("name", room="wrap"), Column("x", numeric=True))
    console.print(table(columns, [("[bold]a long name that wraps around[/bold]", "123456.7"), None, ("b", "1")]))
    text = console.file.getvalue()
    assert "[bold]" in text
    assert "123456.7" in text
    assert max(map(len, text.splitlines())) <= 40


def test_numbers_are_never_cut_whatever_the_width():
    columns = [Column("name", room="wrap"), *(Column(f"n{i}", numeric=True, rank=i % 3) for i in range(6))]
    rows = [("a long name of several words", *(f"{10**i}.5 GiB" for i in range(6))), None, ("b", *("1",) * 6)]
    for width in range(20, 140, 3):
        console = Console(file=StringIO(), width=width)
        console.print(table(columns, rows, width=width))
        text = console.file.getvalue()
        shown = re.findall(r"\d+(?:\.5 GiB)?", text.split("─")[-1])
        assert "…" not in text
        assert all(cell in {"1", *(f"{10**i}.5 GiB" for i in range(6))} for cell in shown)
        assert "several" in text
        kept, _ = fitted(columns, rows, width)
        left = {column.rank for column in columns if column not in kept}
        assert not left or min(left) >= max(column.rank for column in kept[1:] or kept)


def test_the_first_column_is_never_dropped():
    columns = [Column("name"), Column("n", numeric=True)]
    kept, cells = fitted(columns, [("x" * 50, "1")], 20)
    assert [column.header for column in kept] == ["name"]
    assert cells == [["x" * 50]]
