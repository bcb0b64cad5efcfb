"""How far videos are from reference videos, frame by frame and change by change, and how far sets of them are apart.

A video is an array (frames, height, width, channels), values as for `psnr`, or a list of pictures. Frames are made
floats one or a few at a time, so that a long video costs no more than its own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .checks import Floats, MetricError, as_images, same_shape, to_decibels
from .distribution import frechet_distance
from .image import psnr, ssim

Video: TypeAlias = npt.ArrayLike | Sequence[Any]
"""An array (frames, height, width, channels), or its frames as arrays or as PIL pictures."""

Backbone: TypeAlias = Callable[[Floats], npt.ArrayLike]
"""Frames (n, height, width, channels), float64 in [0, 1] -> features (n, dimensions)."""

OverTime: TypeAlias = Literal["mean", "concatenate"]
"""How features of frames become those of a video."""

BATCH = 16
"""Frames that a backbone is given at a time."""


class FrameScores(NamedTuple):
    """Scores of the frames of a video, higher is better.

    Attributes:
        each: (frames,).
        mean: of the video; the metric says how it is taken.
        worst: the lowest of `each`.
        worst_frame: its position, the first if there are several.
    """

    each: Floats
    mean: float
    worst: float
    worst_frame: int


class ChangeError(NamedTuple):
    """How far the changes between consecutive frames are from those of a reference; 0 if they are the same.

    Attributes:
        each: root mean square over a frame's values, in [0, 2], for each change (frames - 1,).
        mean: of `each`.
        worst: the highest of `each`.
        relative: squared distance of all changes over the squared norm of the reference's; 1 for a video that stands
            still, infinite if only the reference does.
    """

    each: Floats
    mean: float
    worst: float
    relative: float


class Consistency(NamedTuple):
    """How alike the frames of one video are by their features; 1 for frames of one direction.

    Attributes:
        each: cosine of each frame's features with those of the frame before, (frames - 1,).
        mean: of `each`; with CLIP's image embeddings the frame consistency of Esser et al. 2023 (arXiv 2302.03011).
        worst: the lowest of `each`.
        vbench: mean over all frames but the first of half the cosine with the frame before and half that with the
            first frame, negative ones counted as 0: with DINO the subject consistency, with CLIP the background
            consistency of VBench (Huang et al. 2023, arXiv 2311.17982, as its code has it).
    """

    each: Floats
    mean: float
    worst: float
    vbench: float


def video_psnr(video: Video, reference: Video) -> FrameScores:
    """Compute each frame's peak signal-to-noise ratio to the reference's, in decibels; infinite for identical ones.

    `mean` is that of the mean squared error over all frames, which is what the whole video taken as one array has. (A
    mean of decibels would be infinite as soon as one frame is identical; `each.mean()` gives it.)

    Raises:
        MetricError: if these are no videos, or not as long or as large.
    """
    each = _by_frame(psnr, video, reference)
    errors = np.power(10.0, -each / 10)  # the peak is 1
    return _scores(each, float(to_decibels(errors.mean(keepdims=True))[0]))


def video_ssim(video: Video, reference: Video) -> FrameScores:
    """Compute each frame's structural similarity (`ssim`) to the reference's, in [-1, 1], and the mean over frames.

    Raises:
        MetricError: if these are no videos, or not as long or as large.
    """
    each = _by_frame(ssim, video, reference)
    return _scores(each, float(each.mean()))


def change_error(video: Video, reference: Video) -> ChangeError:
    """Compute how far motion and flicker are from the reference's: the distance of their frame differences.

    With `d[t] = frame[t + 1] - frame[t]` of the video and `r[t]` of the reference, `each[t]` is the root of the mean
    square of `d[t] - r[t]`: dtSSD of Erofeev et al. 2015 ("Perceptually motivated benchmark for video matting", BMVC),
    per value. What is wrong in the same way in all frames does not count; errors that come and go do.

    Raises:
        MetricError: if these are no videos of two frames or more, or not as long or as large.
    """
    first, second = _pair(video, reference)
    _moving(first, "a video")
    each, distance, norm = [], 0.0, 0.0
    for d, r in zip(_changes(first, "a video"), _changes(second, "the reference"), strict=True):
        square = np.square(d - r)
        each.append(np.sqrt(square.mean()))
        distance += float(square.sum())
        norm += float(np.square(r).sum())
    relative = distance / norm if norm else (np.inf if distance else 0.0)
    found = np.array(each)
    return ChangeError(found, float(found.mean()), float(found.max()), relative)


def temporal_consistency(video: Video, backbone: Backbone) -> Consistency:
    """Compute how alike consecutive frames are, as a backbone sees them.

    A video that stands still has the best score: tell it together with `change_error`, or with the score of the
    uncached video.

    Raises:
        MetricError: if this is no video of two frames or more, or the features are not (n, dimensions), finite and
            with a direction.
    """
    frames = as_video(video, "a video")
    _moving(frames, "a video")
    features = _embedded(frames, backbone)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise MetricError("features that are all 0", "features with a direction", "choose another backbone or layer")
    unit = features / lengths
    each: Floats = (unit[1:] * unit[:-1]).sum(axis=1)
    anchored: Floats = (unit[1:] * unit[0]).sum(axis=1)
    vbench = (each.clip(min=0) + anchored.clip(min=0)).mean() / 2
    return Consistency(each, float(each.mean()), float(each.min()), float(vbench))


def frechet_video_distance(
    videos_a: Iterable[Video],
    videos_b: Iterable[Video],
    backbone: Backbone,
    *,
    over_time: OverTime = "mean",
    singular: bool = False,
) -> float:
    """Compute the squared Frechet distance of two sets of videos, by a backbone's features of their frames.

    Not the published FVD (Unterthiner et al. 2018, arXiv 1812.01717), whose backbone sees several frames at once; for
    features of whole videos there is `frechet_distance`.

    Args:
        videos_a: taken one at a time, so that a generator need not hold them.
        videos_b: the same.
        backbone: frames -> features.
        over_time: "mean" averages over frames, and does not see their order; "concatenate" sees it, but needs videos
            of one length, and more of them than there are frames x dimensions.
        singular: as for `frechet_distance`.

    Raises:
        MetricError: if there is something else than videos among them, or their features do not fit together.
    """
    if over_time not in ("mean", "concatenate"):
        raise MetricError(f"over_time={over_time!r}", "'mean' or 'concatenate'", "choose one of them")
    sets = [[_summary(video, backbone, over_time) for video in videos] for videos in (videos_a, videos_b)]
    lengths = sorted({len(features) for found in sets for features in found})
    if len(lengths) > 1:
        given = f"videos with {', '.join(map(str, lengths))} features"
        mend = "cut the videos to one length" if over_time == "concatenate" else "use one backbone for all"
        raise MetricError(given, "as many for each", mend)
    first, second = (np.array(found).reshape(len(found), *lengths) for found in sets)
    return frechet_distance(first, second, singular=singular)


def as_video(video: Video, name: str) -> npt.NDArray[Any]:
    """Return a video as an array (frames, height, width, channels) of its own type; pictures become bytes.

    Raises:
        MetricError: if its shape or type is not that of a video.
    """
    if isinstance(video, Sequence):
        frames = [_pixels(frame) for frame in video]
        shapes = list(dict.fromkeys(frame.shape for frame in frames))
        if len(shapes) > 1:
            given = f"{name} with frames of shapes {shapes[0]} and {shapes[1]}"
            raise MetricError(given, "frames of one shape", "resize or crop them first")
        array = np.array(frames)
    else:
        array = np.asarray(video)
    if array.ndim != 4 or array.size == 0:
        mend = "give one video at a time, channels last; a single frame as frame[None]"
        expected = "(frames, height, width, channels), none of them 0"
        raise MetricError(f"{name} of shape {array.shape}", expected, mend)
    as_images(array[:1], name)
    return array


def _pixels(frame: Any) -> npt.NDArray[Any]:
    """A frame as an array; a picture in colour, whatever its mode."""
    convert = getattr(frame, "convert", None)
    return np.asarray(frame if convert is None else convert("RGB"))


def _pair(video: Video, reference: Video) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    first, second = as_video(video, "a video"), as_video(reference, "the reference")
    same_shape(first, second)
    return first, second


def _by_frame(metric: Callable[[Any, Any], Floats], video: Video, reference: Video) -> Floats:
    """A metric of images for each pair of frames (frames,)."""
    first, second = _pair(video, reference)
    return np.concatenate([metric(first[i : i + 1], second[i : i + 1]) for i in range(len(first))])


def _scores(each: Floats, mean: float) -> FrameScores:
    worst = int(each.argmin())
    return FrameScores(each, mean, float(each[worst]), worst)


def _moving(frames: npt.NDArray[Any], name: str) -> None:
    if len(frames) < 2:
        raise MetricError(f"{name} of one frame", "two frames or more", "compare single frames with psnr or ssim")


def _changes(frames: npt.NDArray[Any], name: str) -> Iterator[Floats]:
    """Differences of consecutive frames, (height, width, channels) each, one at a time."""
    before = as_images(frames[:1], name)[0]
    for i in range(1, len(frames)):
        now = as_images(frames[i : i + 1], name)[0]
        yield now - before
        before = now


def _embedded(frames: npt.NDArray[Any], backbone: Backbone) -> Floats:
    """Features (frames, dimensions)."""
    parts = []
    for i in range(0, len(frames), BATCH):
        batch = as_images(frames[i : i + BATCH], "a video")
        found = np.asarray(backbone(batch), dtype=np.float64)
        if found.ndim != 2 or len(found) != len(batch) or not found.size or not np.isfinite(found).all():
            given = f"features of shape {found.shape} for {len(batch)} frames"
            raise MetricError(given, f"finite numbers ({len(batch)}, dimensions)", "pool the features over places")
        parts.append(found)
    return np.concatenate(parts)


def _summary(video: Video, backbone: Backbone, over_time: OverTime) -> Floats:
    """Features of a whole video, in one dimension."""
    features = _embedded(as_video(video, "a video"), backbone)
    summary: Floats = features.mean(axis=0) if over_time == "mean" else features.reshape(-1)
    return summary
