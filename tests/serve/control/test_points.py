"""Which points a request may be given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import FrontError
from evocache.serve.control.points import Ladder, PointWishes, ServerPoints, ladder_of, outside_of, server_ladder

from .stub import CARD

SERVER = ServerPoints()
BARE = replace(CARD, points=(), context={})


def labels(ladder: Ladder) -> list[str]:
    """Names of the points that may be given, the best first."""
    points = ladder.points[ladder.first : ladder.last + 1]
    return ["uncached" if point is None else point.label for point in points]


def given_to(wishes: PointWishes, server: ServerPoints = SERVER, **arguments: object) -> list[str]:
    return labels(ladder_of(CARD, arguments, wishes, server))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wishes", "points"),
    [
        (PointWishes(), ["front6", "front5", "front3"]),
        (PointWishes(quality="auto"), ["front6", "front5", "front3"]),
        (PointWishes(quality="max"), ["uncached"]),
        (PointWishes(quality="xhigh"), ["uncached"]),
        (PointWishes(quality="high"), ["uncached", "front6", "front5"]),
        (PointWishes(quality="hd"), ["uncached", "front6", "front5"]),
        (PointWishes(quality="medium"), ["front5"]),
        (PointWishes(quality="standard"), ["front5"]),
        (PointWishes(quality="low"), ["front5", "front3"]),
        (PointWishes(quality=45), ["front6"]),
        (PointWishes(quality=60.0), ["uncached"]),
        (PointWishes(quality=10), ["front6", "front5", "front3"]),
        (PointWishes(speedup=1), ["uncached", "front6", "front5", "front3"]),
        (PointWishes(speedup=2), ["front5", "front3"]),
        (PointWishes(speedup=2, quality=40), ["front5"]),
    ],
)
def test_wishes_bound_what_is_given(wishes, points):
    assert given_to(wishes) == points


def test_the_operators_floor_and_best_bound_everybody():
    assert labels(server_ladder(CARD, ServerPoints(best=1, floor=None))) == [
        "uncached", "front6", "front5", "front3", "front2"
    ]  # fmt: skip
    assert given_to(PointWishes(quality="low"), ServerPoints(floor=42)) == ["front5"]
    assert given_to(PointWishes(quality="low"), ServerPoints(floor=None)) == ["front5", "front3", "front2"]
    assert labels(server_ladder(CARD, ServerPoints(best=9, floor=None))) == ["front2"]
    assert labels(server_ladder(CARD, ServerPoints(best=9, floor=60))) == ["uncached"]


@pytest.mark.parametrize("wishes", [PointWishes(speedup=4), PointWishes(speedup=9), PointWishes(speedup=2, quality=45)])
def test_what_no_point_is_is_refused_and_names_the_fastest(wishes):
    with pytest.raises(FrontError, match="a speed-up of at most"):
        given_to(wishes)


@pytest.mark.parametrize(
    ("wishes", "text"),
    [
        (PointWishes(quality="hihg"), "did you mean 'high'"),
        (PointWishes(quality=float("nan")), "a number of dB"),
        (PointWishes(quality=True), "a number of dB"),  # type: ignore[arg-type]
        (PointWishes(speedup=0), "above 0"),
        (PointWishes(speedup=float("inf")), "above 0"),
        (PointWishes(speedup=True), "above 0"),
    ],
)
def test_odd_wishes_are_refused(wishes, text):
    with pytest.raises(FrontError, match=text):
        given_to(wishes)


def test_outside_of_the_context_all_is_computed_and_it_is_said_what_differs():
    ladder = ladder_of(CARD, {"guidance_scale": 5.0, "height": 96}, PointWishes(speedup=2), SERVER)
    assert labels(ladder) == ["uncached"]
    assert "guidance_scale is 5.0, measured at 2.5" in ladder.outside
    assert "height is 96, measured at 64" in ladder.outside
    assert "steps" not in ladder.outside


def test_inside_of_it_whatever_is_said_or_left_out():
    assert outside_of(CARD, {}) == ""
    assert outside_of(CARD, {"guidance_scale": 2.5, "num_inference_steps": 20, "prompt": "fox"}) == ""


def test_a_model_without_a_front_computes_everything():
    assert labels(ladder_of(BARE, {}, PointWishes(), SERVER)) == ["uncached"]
    assert labels(ladder_of(BARE, {}, PointWishes(quality="low"), SERVER)) == ["uncached"]
    with pytest.raises(FrontError, match="at most 1"):
        ladder_of(BARE, {}, PointWishes(speedup=2), SERVER)


def test_points_of_unknown_quality_are_below_any_floor():
    card = replace(CARD, points=tuple(replace(point, quality=None) for point in CARD.points))
    assert labels(server_ladder(card, SERVER)) == ["uncached"]
    assert len(server_ladder(card, ServerPoints(floor=None))) == 4


@pytest.mark.parametrize("odd", [{"best": 0.5}, {"best": float("nan")}, {"floor": float("inf")}])
def test_odd_settings_of_a_server_are_refused(odd):
    with pytest.raises(FrontError):
        ServerPoints(**odd)


@given(
    st.none() | st.floats(0.1, 5),
    st.none() | st.floats(0, 60) | st.sampled_from(["low", "medium", "high", "xhigh", "max", "auto"]),
    st.integers(0, 9),
)
def test_nothing_below_a_floor_is_ever_given(speedup, quality, place):
    try:
        ladder = ladder_of(CARD, {}, PointWishes(speedup, quality), SERVER)
    except FrontError:
        return
    point = ladder.at(place)
    found = float("inf") if point is None else point.quality
    assert found >= 30
    assert not isinstance(quality, float) or found >= quality
    assert speedup is None or (1.0 if point is None else point.speedup) >= min(speedup, 1.0)
    assert speedup is None or speedup <= 1 or (point is not None and point.speedup >= speedup)
