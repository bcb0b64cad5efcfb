"""ServeGen's clients (Xiang et al., arXiv 2505.09999): how often each client of a model asked, window by window.

A folder a model, with two files a client: `chunk-N-trace.csv`, which is read here, and `chunk-N-dataset.json` with
lengths in tokens. A line without a header is a window: its beginning in seconds, requests a second, their coefficient
of variation, `Gamma`, `Weibull` or nothing, and two parameters, the first of which is the shape. Arrivals are drawn
from these, at the rate of each window: they are no record of single requests.
"""

from __future__ import annotations

import csv
from math import gamma
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .arrivals import Arrivals, TraceError

FILES = "chunk-*-trace.csv"


def read_servegen(folder: Path, *, since: float = 0.0, until: float = 86_400.0, seed: int = 0) -> Arrivals:
    """Draw the arrivals of all clients of a folder between two times, each client a user.

    Args:
        folder: of a model.
        since: first second.
        until: the end, in seconds.
        seed: seeds what is drawn.

    Raises:
        TraceError: if there are no clients, or a line is wrong.
    """
    files = sorted(folder.glob(FILES), key=lambda path: (len(path.name), path.name))
    if not files:
        raise TraceError(f"{folder.name}: no {FILES}")
    random = np.random.default_rng(seed)
    times: list[NDArray[np.float64]] = []
    for path in files:
        windows = read_windows(path)
        ends = [*(begin for begin, _, _, _ in windows[1:]), windows[-1][0] + 600.0 if windows else 0.0]
        drawn = [
            begin + draw(random, rate, kind, shape, end - begin)
            for (begin, rate, kind, shape), end in zip(windows, ends, strict=True)
            if kind and since <= begin < until
        ]
        times.append(np.concatenate([*drawn, np.zeros(0)]))
    users = np.repeat(np.arange(1, len(times) + 1), [len(one) for one in times])
    whole = np.concatenate(times)
    order = np.argsort(whole, kind="stable")
    return Arrivals(f"servegen {folder.name}", whole[order] - since, users[order])


def read_windows(path: Path) -> list[tuple[float, float, str, float]]:
    """Read the windows of a client: beginning, rate, kind of distribution, shape.

    Raises:
        TraceError: if a line is wrong.
    """
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        for row in filter(None, rows):
            try:
                begin, rate, _, kind, shape, _ = row
                if kind not in ("", "Gamma", "Weibull"):
                    raise ValueError(f"a distribution {kind!r}")
                found.append((float(begin), float(rate), kind, float(shape)))
            except ValueError as error:
                raise TraceError(f"{path.name}, line {rows.line_num}: {error}") from None
    return found


def draw(random: np.random.Generator, rate: float, kind: str, shape: float, width: float) -> NDArray[np.float64]:
    """Draw times from 0 to `width` with gaps of a distribution, whose mean is 1 / rate.

    The first gap is begun at random, so that windows do not all begin with a request.
    """
    if rate <= 0 or shape <= 0:
        return np.zeros(0)
    mean = shape if kind == "Gamma" else gamma(1 + 1 / shape)
    count = int(2 * rate * width) + 20
    gaps = random.gamma(shape, size=count) if kind == "Gamma" else random.weibull(shape, size=count)
    times = np.cumsum(gaps / (mean * rate)) - random.random() / rate
    return np.asarray(times[(times >= 0) & (times < width)])
