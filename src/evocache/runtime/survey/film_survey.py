"""How a film's frames are decoded: some after others wherever that is exact, so that each can be shown as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ...memory.cudnn_workspace import Workspace
from ...memory.planner.footprint import Choice, Cut
from ...memory.rehearsal.fake_operations import Fakes
from ...memory.rehearsal.rehearsal import Rehearsal, rehearse, shadow, signature
from ...memory.slicing.coupling_requests import Uncoupled
from ...memory.slicing.slicing import Slicing
from ...model.outputs import unpack
from ...video.decode.frame_group_trial import find_frame_groups
from ...video.decode.frame_groups import run_cut
from ...video.decode.frame_pipeline_trial import find_frame_pipeline
from ...video.decode.temporal_tile_trial import find_temporal_tiles
from ..call_key import state_of
from ..lru import LRU
from .call_survey import worth

COLOURS = 3
"""Channels of a picture."""

WAITING = 8
"""Slices of a frame pipeline in which all wait for one another: more would hold more frames twice than they would
save."""

WAYS = 32
"""Of how many forms of call it is known how a module decodes."""

_ways: WeakKeyDictionary[nn.Module, LRU[object, Slicing | None]] = WeakKeyDictionary()


def film_cut(
    autoencoder: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], planned: Cut | None
) -> Cut | None:
    """Return how an autoencoder decodes a film, some frames after others wherever that is possible.

    None stands for all together.

    Args:
        autoencoder: the autoencoder.
        args: positional arguments of its `decode`.
        kwargs: keyword arguments of it.
        planned: how it is to be decoded where frames depend on one another.
    """
    way = _way(autoencoder, args, kwargs)
    if way is None or (planned is not None and planned.slicing.onward):
        return planned
    if way.groups is not None:
        coupled = planned is not None and planned.slicing.coupled
        return Cut(replace(planned.slicing, groups=way.groups), planned.slices) if planned and coupled else Cut(way, 1)
    waits = way.pipeline is not None and way.pipeline.waits
    cut = Cut(way, WAITING if waits else way.length(unpack((args, dict(kwargs)))[0]))
    if planned is None:
        return cut
    double, fakes = shadow(autoencoder), Fakes()
    try:
        return min(cut, planned, key=lambda how: film_held(double, how, args, kwargs, fakes).whole.peak)
    except Uncoupled:
        return planned


def _way(autoencoder: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Slicing | None:
    """How frames are decoded some after others; None where they must be together."""
    known = _ways.setdefault(autoencoder, LRU(WAYS))

    def found() -> Slicing | None:
        slicings = (
            trial(autoencoder, args, kwargs, "decode")
            for trial in (find_frame_groups, find_temporal_tiles, find_frame_pipeline)
        )
        return next((way for way in slicings if way is not None), None)

    return known.get_or_make((signature(args, kwargs), state_of(autoencoder)), found)


def film_held(
    module: nn.Module,
    how: Cut | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    fakes: Fakes,
) -> Rehearsal:
    """Rehearse decoding a film: what comes by parts is brought to colours frame by frame, and let go.

    Args:
        module: the autoencoder's shadow.
        how: how it decodes; None for all together.
        args: positional arguments of its `decode`; only shapes and types matter.
        kwargs: keyword arguments of it.
        fakes: operations that were worked out before, and what they hold besides.

    Raises:
        Uncoupled: if it cannot decode so.
    """

    def show(decoded: Any) -> None:
        for frame in frames_of(decoded):
            del frame

    def call(*args: Any, **kwargs: Any) -> Any:
        if how is not None and how.slicing.onward:
            return run_cut(module, "decode", how, args, kwargs, take=show, rehearsed=True)
        decode: Callable[..., Any] = module.decode  # type: ignore[assignment]
        whole = decode(*args, **kwargs) if how is None else run_cut(module, "decode", how, args, kwargs, rehearsed=True)
        show(whole)
        return shadow(whole)

    return rehearse(module, args, kwargs, call=call, fakes=fakes)


def frames_of(decoded: Any, after: int = 0) -> Iterator[torch.Tensor]:
    """Frames of what was decoded, after the first ones, each (height, width, 3) in [0, 1] as float32.

    Decoded is the first tensor of the output, in [-1, 1]. It is brought to [0, 1] as pipelines do it: videos in the
    decoder's own type, pictures in float32.
    """
    pictures = next(leaf for leaf in unpack(decoded)[0] if isinstance(leaf, torch.Tensor))
    frames = pictures[0] if pictures.ndim == 5 else pictures
    if pictures.ndim == 5 and not (pictures.shape[2] == COLOURS != pictures.shape[1]):  # one gives frames first
        frames = frames.transpose(0, 1)
    for frame in frames[after:]:
        light = frame if pictures.ndim == 5 else frame.float()
        yield (light * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).float()


def filmed(
    autoencoder: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    choices: Sequence[Choice],
    workspace: Workspace | None = None,
) -> list[Choice]:
    """List what decoding a film holds in one way or another; the first is that nothing is planned.

    Args:
        autoencoder: the autoencoder; its weights may be anywhere, also on the meta device.
        args: positional arguments of its `decode`; only shapes and types matter.
        kwargs: keyword arguments of it.
        choices: how decoding may be planned, by the path `""`; the first is as it is.
        workspace: what operations hold while they run, where that is to be counted.
    """
    double, fakes = shadow(autoencoder), Fakes(workspace)
    found = []
    for choice in choices:
        how = film_cut(autoencoder, args, kwargs, choice.cuts.get(""))
        try:
            seen = film_held(double, how, args, kwargs, fakes)
        except Uncoupled:  # then it is decoded as planned, or all together
            seen = film_held(double, choice.cuts.get(""), args, kwargs, fakes)
        found.append(Choice(choice.cuts, seen.whole.peak, seen.operations))
    return worth(found[0], found[1:])
