import numpy as np
import pytest
from PIL import Image

from evocache.metrics import (
    MetricError,
    change_error,
    frechet_distance,
    frechet_video_distance,
    psnr,
    ssim,
    temporal_consistency,
    video_psnr,
    video_ssim,
)


def levels(*values, size=8, channels=3):
    """A video of constant frames."""
    return np.broadcast_to(np.array(values, dtype=float)[:, None, None, None], (len(values), size, size, channels))


def noise(frames=3, size=16, seed=0):
    return np.random.default_rng(seed).random((frames, size, size, 3))


def corner(frames):
    """Two pixels of each frame, as its features."""
    return frames[:, 0, :2, 0]


def pairs(*features):
    """A video whose frames have these two features."""
    video = np.zeros((len(features), 2, 2, 1))
    video[:, 0, :, 0] = features
    return video


class TestByFrame:
    def test_psnr_of_constant_differences(self):
        """Errors .1, .01 and 0: 20 dB, 40 dB and none; their mean square is (.01 + .0001 + 0) / 3."""
        found = video_psnr(levels(0.6, 0.51, 0.5), levels(0.5, 0.5, 0.5))
        assert found.each == pytest.approx([20.0, 40.0, np.inf])
        assert found.mean == pytest.approx(-10 * np.log10(0.0101 / 3))
        assert (found.worst, found.worst_frame) == (pytest.approx(20.0), 0)

    def test_mean_psnr_is_that_of_the_video_as_one_array(self):
        a, b = noise(), noise(seed=1)
        assert video_psnr(a, b).mean == pytest.approx(-10 * np.log10(np.square(a - b).mean()))

    def test_identical_videos(self):
        assert video_psnr(noise(), noise())[1:] == (np.inf, np.inf, 0)
        assert video_ssim(noise(), noise()).mean == pytest.approx(1.0)

    def test_ssim_of_constant_frames_is_the_luminance_term(self):
        found = video_ssim(levels(0.4, 0.5), levels(0.6, 0.5))
        low = (2 * 0.24 + 1e-4) / (0.16 + 0.36 + 1e-4)
        assert found.each == pytest.approx([low, 1.0])
        assert found[1:] == (pytest.approx((low + 1) / 2), pytest.approx(low), 0)

    def test_frames_are_judged_as_images_are(self):
        a, b = noise(), noise(seed=1)
        np.testing.assert_array_equal(video_psnr(a, b).each, psnr(a, b))
        np.testing.assert_allclose(video_ssim(a, b).each, ssim(a, b), rtol=1e-12)

    def test_bytes_do_not_wrap(self):
        a, b = np.full((2, 4, 4, 3), 3, dtype=np.uint8), np.full((2, 4, 4, 3), 5, dtype=np.uint8)
        assert video_psnr(a, b).mean == pytest.approx(20 * np.log10(255 / 2))
        assert change_error(a, b).mean == 0

    def test_pictures_of_any_mode_are_frames_in_colour(self):
        values = (noise() * 255).astype(np.uint8)
        pictures = [Image.fromarray(frame) for frame in values]
        assert video_psnr(pictures, values).mean == np.inf
        grey = [Image.new("L", (4, 4), 51), Image.new("P", (4, 4), 0)]
        assert video_psnr(grey, levels(0.2, 0.0, size=4)).mean == np.inf


class TestChange:
    def test_a_constant_error_is_no_error_of_change(self):
        found = change_error(levels(0.1, 0.4, 0.2), levels(0.3, 0.6, 0.4))
        assert found.each == pytest.approx([0, 0], abs=1e-15)
        assert found.relative == pytest.approx(0, abs=1e-28)

    def test_changes_by_hand(self):
        """Changes +.4, -.2 against +.1, +.2: they are .3 and .4 off; (.09 + .16) / (.01 + .04) = 5."""
        found = change_error(levels(0.1, 0.5, 0.3), levels(0.1, 0.2, 0.4))
        assert found.each == pytest.approx([0.3, 0.4])
        assert found[1:] == (pytest.approx(0.35), pytest.approx(0.4), pytest.approx(5.0))

    def test_a_change_of_part_of_a_frame(self):
        """A quarter of the pixels is .2 off: the root mean square is .2 / 2."""
        video = np.zeros((2, 4, 4, 3))
        video[1, :2, :2] = 0.2
        assert change_error(video, np.zeros((2, 4, 4, 3))).each == pytest.approx([0.1])

    def test_a_video_that_stands_still_is_off_by_all_that_moves(self):
        still = np.repeat(noise(1), 5, axis=0)
        assert change_error(still, noise(5, seed=2)).relative == pytest.approx(1.0)
        assert change_error(noise(5, seed=2), still).relative == np.inf
        assert change_error(still, still) == (pytest.approx([0] * 4), 0.0, 0.0, 0.0)

    def test_flicker_counts_more_than_a_steady_error(self):
        reference = levels(0.5, 0.5, 0.5, 0.5)
        flicker, steady = levels(0.6, 0.4, 0.6, 0.4), levels(0.6, 0.6, 0.6, 0.6)
        assert video_psnr(flicker, reference).mean == pytest.approx(video_psnr(steady, reference).mean)
        assert change_error(flicker, reference).mean == pytest.approx(0.2)
        assert change_error(steady, reference).mean == 0


class TestConsistency:
    def test_right_angles_by_hand(self):
        """Directions 0, 45 and 90 degrees: neighbours cos 45; the first frame cos 45 and cos 90."""
        found = temporal_consistency(pairs((1, 0), (0.5, 0.5), (0, 0.3)), corner)
        root = np.sqrt(0.5)
        assert found.each == pytest.approx([root, root])
        assert found[1:] == (pytest.approx(root), pytest.approx(root), pytest.approx((2 * root + root + 0) / 4))

    def test_length_of_features_does_not_matter(self):
        assert temporal_consistency(pairs((0.1, 0.2), (0.5, 1.0)), corner)[1:] == pytest.approx((1, 1, 1))

    def test_opposite_frames_count_as_zero_in_vbench_only(self):
        found = temporal_consistency(pairs((1, 0), (0, 0)), lambda frames: corner(frames) - 0.5)
        assert found.mean == pytest.approx(0.0)  # (.5, -.5) and (-.5, -.5)
        found = temporal_consistency(pairs((1, 1), (0, 0)), lambda frames: corner(frames) - 0.5)
        assert (found.mean, found.vbench) == (pytest.approx(-1.0), 0.0)

    def test_the_backbone_gets_few_frames_at_a_time(self):
        seen = []

        def backbone(frames):
            seen.append(len(frames))
            assert frames.dtype == np.float64
            return frames.mean(axis=(1, 2))

        temporal_consistency(np.full((37, 2, 2, 3), 255, dtype=np.uint8), backbone)
        assert seen == [16, 16, 5]

    @pytest.mark.parametrize(
        ("backbone", "word"),
        [
            (lambda frames: frames, "for 3 frames"),
            (lambda frames: frames[:1, 0, :, 0], "for 3 frames"),
            (lambda frames: corner(frames) * np.nan, "finite"),
            (lambda frames: corner(frames) * 0, "direction"),
        ],
    )
    def test_features_without_use_are_refused(self, backbone, word):
        with pytest.raises(MetricError, match=word):
            temporal_consistency(noise(), backbone)


class TestSets:
    def videos(self, seed, count=20, frames=3):
        return list(np.random.default_rng(seed).random((count, frames, 2, 2, 1)))

    def test_shift_by_hand(self):
        """All videos .25 brighter: equal covariances, and means .25 apart in both features: 2 x .0625."""
        a = [video / 2 for video in self.videos(0)]
        b = [video + 0.25 for video in a]
        assert frechet_video_distance(a, b, corner) == pytest.approx(0.125)
        assert frechet_video_distance(a, b, corner, over_time="concatenate") == pytest.approx(6 * 0.0625)

    def test_means_are_those_over_frames(self):
        a, b = self.videos(1), self.videos(2, frames=5)
        expected = frechet_distance([corner(v).mean(axis=0) for v in a], [corner(v).mean(axis=0) for v in b])
        assert frechet_video_distance(iter(a), iter(b), corner) == pytest.approx(expected)

    def test_only_concatenated_features_see_the_order(self):
        a = self.videos(3)
        b = [np.sort(video, axis=0) for video in a]
        assert frechet_video_distance(a, b, corner) == pytest.approx(0, abs=1e-12)
        assert frechet_video_distance(a, b, corner, over_time="concatenate") > 0.1

    def test_what_does_not_fit_is_refused(self):
        a = self.videos(4)
        with pytest.raises(MetricError, match=r"4, 6 features.*one length"):
            frechet_video_distance(a, self.videos(5, frames=2), corner, over_time="concatenate")
        with pytest.raises(MetricError, match="'mean' or 'concatenate'"):
            frechet_video_distance(a, a, corner, over_time="max")  # type: ignore[arg-type]
        with pytest.raises(MetricError, match="at least 3"):
            frechet_video_distance(a[:2], a[:2], corner)
        with pytest.raises(MetricError, match="more samples"):
            frechet_video_distance([], a, corner)


@pytest.mark.parametrize("metric", [video_psnr, video_ssim, change_error])
@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        (np.zeros((8, 8, 3)), np.zeros((8, 8, 3)), r"a single frame as frame\[None\]"),
        (np.zeros((1, 4, 8, 8, 3)), np.zeros((1, 4, 8, 8, 3)), "one video at a time"),
        (np.zeros((4, 8, 8, 3)), np.zeros((5, 8, 8, 3)), r"\(4, 8, 8, 3\) and \(5, 8, 8, 3\)"),
        (np.zeros((4, 8, 6, 3)), np.zeros((4, 6, 8, 3)), "like with like"),
        (np.zeros((0, 8, 8, 3)), np.zeros((0, 8, 8, 3)), "none of them 0"),
        ([], np.zeros((4, 8, 8, 3)), "none of them 0"),
        (np.zeros((4, 8, 8, 3), dtype=int), np.zeros((4, 8, 8, 3)), "uint8"),
        ([np.zeros((8, 8, 3)), np.zeros((6, 8, 3))], np.zeros((2, 8, 8, 3)), "frames of one shape"),
        (np.full((4, 8, 8, 3), np.nan), np.zeros((4, 8, 8, 3)), "not numbers"),
    ],
)
def test_what_is_no_pair_of_videos_is_refused(metric, a, b, word):
    with pytest.raises(MetricError, match=word):
        metric(a, b)


def test_one_frame_has_no_change():
    with pytest.raises(MetricError, match="two frames or more"):
        change_error(noise(1), noise(1))
    with pytest.raises(MetricError, match="two frames or more"):
        temporal_consistency(noise(1), corner)
