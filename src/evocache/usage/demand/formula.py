"""What a request changes in the tables of demand, and the score that is read from them.

A rate has several causes, and they add up: a key is asked for because it is popular now, or was for long; because its
group is (a group is asked for more often than any of its keys, so that it is known sooner); because its last owner asks
their own last question again; because what was asked for just now is asked for again. Each cause is estimated by a
count that ages, and has a weight:

    rate  = sum_i exp(w_i) * cause_i
    score = log(rate) + age_exponent * log(1 + age) + seconds_exponent * log(seconds) - bytes_exponent * log(bytes)

With recency alone that orders as LRU does; with counts, seconds and bytes much as GDSF does.

`note` and `score` are written in loops and scalars, so that a replay may compile them; `scores` is `score` for many
rows in numpy. Row 0 of owners stands for nobody and row 0 of groups for none: nothing is noted there.

A row may be given to another owner or group while keys point to it, so that nobody has to look for those keys: an owner
counts for the key that was that owner's latest alone, and a group for keys that have its number.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from .weights import CAUSES

Table = NDArray[np.float64]

FAST = 200.0
"""Half-life, in requests, of what is popular now."""

SLOW = 4000.0
"""Half-life, in requests, of what was popular for long."""

HABIT = 0.98
"""What an owner's requests keep of their weight in that owner's habit at each further one."""

LAST, NOW, LONG = 0, 1, 2
"""Columns of keys and groups: when it was last asked for, and counts that age fast and slowly."""

OWNER, GROUP, LOG_SECONDS, LOG_BYTES, ID, MEMBER = 3, 4, 5, 6, 7, 8
"""Further columns of keys: rows of the last owner and of the group, figures, what tells it from other keys, and which
group it is of: that row may belong to another one by now."""

SEEN, OFTEN, LATEST, ASKED, AGAIN = range(5)
"""Columns of owners: when they were last seen, an aged count, their last key, requests and repeats that age."""

NUMBER = 3
"""Further column of groups: what tells it from those that had its row before."""

KEY_COLUMNS, OWNER_COLUMNS, GROUP_COLUMNS = 9, 5, 4

PRIOR_AGAIN, PRIOR_ASKED = 0.3, 3.0
"""What is believed of an owner of whom nothing is known: three requests, of which 0.3 repeated the one before."""


def note(keys: Table, owners: Table, groups: Table, t: float, k: int, o: int, g: int) -> None:
    """Note a request at time t of the key in row k, by the owner in row o, of the group in row g."""
    age = t - keys[k, LAST]
    keys[k, NOW] = keys[k, NOW] * 2.0 ** (-age / FAST) + 1.0
    keys[k, LONG] = keys[k, LONG] * 2.0 ** (-age / SLOW) + 1.0
    keys[k, LAST] = t
    keys[k, OWNER] = o
    keys[k, GROUP] = g
    if o > 0:
        owners[o, OFTEN] = owners[o, OFTEN] * 2.0 ** (-(t - owners[o, SEEN]) / SLOW) + 1.0
        owners[o, SEEN] = t
        owners[o, ASKED] = owners[o, ASKED] * HABIT + 1.0
        owners[o, AGAIN] *= HABIT
        if owners[o, LATEST] == keys[k, ID]:
            owners[o, AGAIN] += 1.0
        owners[o, LATEST] = keys[k, ID]
    if g > 0:
        age = t - groups[g, LAST]
        groups[g, NOW] = groups[g, NOW] * 2.0 ** (-age / FAST) + 1.0
        groups[g, LONG] = groups[g, LONG] * 2.0 ** (-age / SLOW) + 1.0
        groups[g, LAST] = t
        keys[k, MEMBER] = groups[g, NUMBER]


def score(keys: Table, owners: Table, groups: Table, t: float, k: int, factors: Table, exponents: Table) -> float:
    """Return what the key in row k is worth at time t.

    A shadow cache may be shown a request after later ones were noted: what was asked for since is taken for new.

    Args:
        keys: the tables.
        owners: rows of owners.
        groups: rows of groups.
        t: number of requests so far.
        k: row of the key.
        factors: exp(w) of the causes, shape (7,).
        exponents: the other weights, shape (3,).
    """
    age = max(t - keys[k, LAST], 0.0)
    rate = factors[0] * keys[k, NOW] * 2.0 ** (-age / FAST) + factors[1] * keys[k, LONG] * 2.0 ** (-age / SLOW)
    g = int(keys[k, GROUP])
    if g > 0 and groups[g, NUMBER] == keys[k, MEMBER]:
        since = max(t - groups[g, LAST], 0.0)
        rate += factors[2] * groups[g, NOW] * 2.0 ** (-since / FAST)
        rate += factors[3] * groups[g, LONG] * 2.0 ** (-since / SLOW)
    o = int(keys[k, OWNER])
    if o > 0 and owners[o, LATEST] == keys[k, ID]:
        often = owners[o, OFTEN] * 2.0 ** (-max(t - owners[o, SEEN], 0.0) / SLOW)
        rate += factors[4] * often * (owners[o, AGAIN] + PRIOR_AGAIN) / (owners[o, ASKED] + PRIOR_ASKED)
    rate += factors[5] / (1.0 + age) + factors[6]
    worth: float = log(rate) + exponents[0] * log(1.0 + age)
    worth += exponents[1] * keys[k, LOG_SECONDS] - exponents[2] * keys[k, LOG_BYTES]
    return worth


def scores(
    keys: Table, owners: Table, groups: Table, t: float, rows: NDArray[np.intp], factors: Table, exponents: Table
) -> NDArray[np.float64]:
    """Return what the keys in some rows are worth at time t: as `score`, for many at once.

    Args:
        keys: the tables.
        owners: rows of owners.
        groups: rows of groups.
        t: number of requests so far.
        rows: rows of keys, shape (n,).
        factors: exp(w) of the causes, shape (7,).
        exponents: the other weights, shape (3,).

    Returns:
        Shape (n,).
    """
    known = keys.take(rows, axis=0)
    which = known[:, OWNER : GROUP + 1].astype(np.intp)
    who, what = owners.take(which[:, 0], axis=0), groups.take(which[:, 1], axis=0)
    age = np.maximum(t - known[:, LAST], 0.0)
    since = np.maximum(t - what[:, LAST], 0.0)
    causes = np.empty((len(rows), CAUSES))
    np.exp2(age / -FAST, out=causes[:, 0])
    np.exp2(age / -SLOW, out=causes[:, 1])
    np.exp2(since / -FAST, out=causes[:, 2])
    np.exp2(since / -SLOW, out=causes[:, 3])
    np.exp2(np.minimum(who[:, SEEN] - t, 0.0) / SLOW, out=causes[:, 4])
    causes[:, :2] *= known[:, NOW : LONG + 1]
    causes[:, 2:4] *= what[:, NOW : LONG + 1] * (what[:, NUMBER] == known[:, MEMBER])[:, None]
    often = who[:, OFTEN] * (who[:, AGAIN] + PRIOR_AGAIN) / (who[:, ASKED] + PRIOR_ASKED)
    causes[:, 4] *= often * (who[:, LATEST] == known[:, ID])
    age += 1.0
    np.divide(1.0, age, out=causes[:, 5])
    causes[:, 6] = 1.0
    worth = np.log(causes @ factors)
    worth += exponents[0] * np.log(age)
    worth += known[:, LOG_SECONDS : LOG_BYTES + 1] @ (exponents[1:] * _FOR_AND_AGAINST)
    return np.asarray(worth)


_FOR_AND_AGAINST = np.array([1.0, -1.0])
"""Seconds count for an entry, bytes against it."""
