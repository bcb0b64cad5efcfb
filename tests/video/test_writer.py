import resource
import weakref
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from evocache.errors import FilmError
from evocache.video.formats import AHEAD, THREADS
from evocache.video.writer import film

FILES = ["out.mp4", "out.gif", "out.webp"]
NAMES = [*FILES, "out"]


def moving(count=12, height=48, width=64):
    """A smooth background with a square that moves over it: 8 colours along each axis."""
    rows, columns = np.mgrid[:height, :width]
    for i in range(count):
        frame = np.stack([rows * 2 + 40, columns + 60, np.full_like(rows, 90)], axis=-1).astype(np.uint8)
        frame[10:20, 2 * i : 2 * i + 12] = (230, 200, 30)
        yield frame


def noise(count, size=64):
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(count))


def shot(path, frames, **settings):
    """Write a film of these frames."""
    with film(path, **settings) as out:
        for frame in frames:
            out.write(frame)
    return out


def read(path):
    """Frames (n, height, width, 3) of what was written."""
    if path.suffix == ".mp4":
        import av

        with av.open(str(path)) as container:
            # Older PyAVs do not look at what the file says of its colours.
            colours = {"src_colorspace": "ITU709", "src_color_range": "MPEG", "dst_color_range": "JPEG"}
            frames = (frame.reformat(format="rgb24", **colours) for frame in container.decode(video=0))
            return np.stack([frame.to_ndarray() for frame in frames])
    if path.is_dir():
        return np.stack([np.asarray(Image.open(file)) for file in sorted(path.iterdir())])
    with Image.open(path) as picture:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)])


def psnr(a, b):
    """Of the worst frame, in decibels."""
    error = np.square(a.astype(float) - b).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / error.max())


def stopped(frames, error):
    """Frames, and then an error."""
    yield from frames
    raise error


def drafts(folder):
    return list(folder.glob(".*"))


class TestReadBack:
    def test_png_is_exact(self, tmp_path):
        frames = list(noise(3, size=17))
        shot(tmp_path / "frames", frames)
        assert sorted(file.name for file in (tmp_path / "frames").iterdir()) == ["00000.png", "00001.png", "00002.png"]
        np.testing.assert_array_equal(read(tmp_path / "frames"), frames)

    def test_gif_is_exact_where_256_colours_suffice(self, tmp_path):
        rng = np.random.default_rng(1)
        frames = [rng.integers(0, 256, (256, 3), dtype=np.uint8)[rng.integers(0, 256, (21, 33))] for _ in range(4)]
        shot(tmp_path / "out.gif", frames)
        np.testing.assert_array_equal(read(tmp_path / "out.gif"), frames)

    def test_gif_of_more_colours_is_near(self, tmp_path):
        frames = list(moving())
        shot(tmp_path / "out.gif", frames)
        assert psnr(read(tmp_path / "out.gif"), frames) > 33

    @pytest.mark.parametrize(("name", "least"), [("out.mp4", 36), ("out.webp", 33)])
    def test_lossy_formats_are_near(self, tmp_path, name, least):
        frames = list(moving())
        shot(tmp_path / name, frames)
        assert psnr(read(tmp_path / name), frames) > least

    @pytest.mark.parametrize("name", FILES)
    def test_colours_stay(self, tmp_path, name):
        """Flat frames have nothing to compress: what differs is the colour space."""
        colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (30, 120, 200)]
        frames = [np.full((32, 32, 3), colour, dtype=np.uint8) for colour in colours]
        shot(tmp_path / name, frames)
        assert np.abs(read(tmp_path / name).astype(int) - frames).max() <= 4

    def test_red_is_red_by_the_standard(self, tmp_path):
        """BT.709 in the limited range: Y = 16 + 219 x .2126, Cb = 128 - 112 x .2126 / .9278, Cr = 240."""
        import av

        shot(tmp_path / "out.mp4", [np.full((16, 16, 3), (255, 0, 0), dtype=np.uint8)])
        with av.open(str(tmp_path / "out.mp4")) as container:
            planes = next(container.decode(video=0)).to_ndarray()
        assert (planes[0, 0], planes[16, 0], planes[20, 0]) == (63, 102, 240)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("size", [(1, 1), (15, 33), (2, 7), (40, 24)])
    def test_any_size(self, tmp_path, name, size):
        frames = [np.full((*size, 3), level, dtype=np.uint8) for level in (40, 90, 200)]
        shot(tmp_path / name, frames)
        found = read(tmp_path / name)
        even = tuple(side + side % 2 for side in size)
        assert found.shape == (3, *(even if name == "out.mp4" else size), 3)
        assert np.abs(found[:, : size[0], : size[1]].astype(int) - frames).max() <= 4

    def test_an_odd_side_gets_a_copy_of_its_last_line(self, tmp_path):
        """A black pad would darken the last column of all."""
        frames = [np.full((16, 15, 3), 200, dtype=np.uint8)] * 3
        shot(tmp_path / "out.mp4", frames)
        assert read(tmp_path / "out.mp4").min() >= 196

    @pytest.mark.parametrize("name", NAMES)
    def test_one_frame_is_a_film(self, tmp_path, name):
        assert shot(tmp_path / name, moving(1)).frames == 1
        assert len(read(tmp_path / name)) == 1

    def test_views_and_slices_are_frames(self, tmp_path):
        base = np.random.default_rng(2).integers(0, 256, (3, 20, 30), dtype=np.uint8)
        base.flags.writeable = False
        frame = base.transpose(1, 2, 0)[::2, ::-1]
        for name in NAMES:
            shot(tmp_path / name, [frame] * 2)
        np.testing.assert_array_equal(read(tmp_path / "out"), [frame] * 2)


class TestTime:
    @pytest.mark.parametrize(("name", "unit"), [("out.gif", 10), ("out.webp", 1)])
    @pytest.mark.parametrize("fps", [8, 24, Fraction(30000, 1001), 7.5])
    def test_rounded_durations_add_up(self, tmp_path, name, unit, fps):
        shot(tmp_path / name, moving(24), fps=fps)
        durations = []
        with Image.open(tmp_path / name) as picture:
            for frame in ImageSequence.Iterator(picture):
                frame.load()  # WebP knows a frame's duration then
                durations.append(frame.info["duration"])
            assert picture.info["loop"] == 0
        assert len(durations) == 24
        assert abs(sum(durations) - 24_000 / fps) <= unit / 2
        assert max(durations) - min(durations) <= unit

    @pytest.mark.parametrize("fps", [8, 24, Fraction(30000, 1001), 7.5, 29.97])
    def test_mp4_has_the_rate(self, tmp_path, fps):
        import av

        shot(tmp_path / "out.mp4", moving(12), fps=fps)
        with av.open(str(tmp_path / "out.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == Fraction(fps).limit_denominator(1001)
            times = [frame.time for frame in container.decode(stream)]
        assert times == pytest.approx([i / float(fps) for i in range(12)], abs=1e-3)

    def test_mp4_starts_with_its_index_and_says_its_colours(self, tmp_path):
        import av

        shot(tmp_path / "out.mp4", moving(12))
        data = (tmp_path / "out.mp4").read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")
        with av.open(str(tmp_path / "out.mp4")) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)

    @pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 51, "8", None])
    def test_other_rates_are_refused(self, tmp_path, fps):
        with pytest.raises(FilmError, match="frames a second"), film(tmp_path / "out.gif", fps=fps):
            pass
        assert not list(tmp_path.iterdir())


class TestStreams:
    @pytest.mark.parametrize("name", NAMES)
    def test_frames_are_let_go(self, tmp_path, name):
        """As soon as the next one is written, nobody refers to a frame any more."""
        alive = []
        with film(tmp_path / name) as out:
            for i in range(30):
                frame = np.full((16, 16, 3), i, dtype=np.uint8)
                alive.append(weakref.ref(frame))
                out.write(frame)
                del frame
                assert sum(ref() is not None for ref in alive) == 0

    @pytest.mark.parametrize("name", NAMES)
    def test_what_is_written_is_on_disk(self, tmp_path, name):
        """Half of a long film: half of its bytes are in the draft, but for what the encoder and its file buffer."""

        def size(path):
            return sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))

        count, ahead, buffer = (80, AHEAD + THREADS, 1 << 18) if name == "out.mp4" else (10, 0, 0)
        with film(tmp_path / name) as out:
            for frame in noise(count, size=160):
                out.write(frame)
            held = size(drafts(tmp_path)[0])
            for frame in noise(count, size=160):
                out.write(frame)
        whole = size(tmp_path / name)
        assert held > 0.98 * whole * (count - ahead) / (2 * count) - buffer
        assert held > 0.2 * whole

    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's count of resident pages")
    @pytest.mark.parametrize("name", FILES)
    def test_memory_does_not_grow_with_the_film(self, tmp_path, name):
        """100 frames of 768 KiB, 75 MiB in all, after the first 30."""

        def resident():
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

        few = np.repeat(np.repeat(next(noise(1, size=64)) & 0xC0, 8, axis=0), 8, axis=1)  # 64 colours: quick for GIF
        with film(tmp_path / name) as out:
            for i in range(130):
                if i == 30:
                    before = resident()
                out.write(np.roll(few, i, axis=1))
            grown = resident() - before
        assert grown < 100 * few.nbytes / 8


class TestWholeOrNothing:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_film_appears_when_it_is_complete(self, tmp_path, name):
        with film(tmp_path / name) as out:
            for frame in moving():
                out.write(frame)
                assert not (tmp_path / name).exists()
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (out.frames, out.path) == (12, tmp_path / name)

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
    @pytest.mark.parametrize("count", [0, 1, 30])
    def test_an_error_leaves_what_was_there(self, tmp_path, name, stop, count):
        (tmp_path / name).write_bytes(b"old")
        with pytest.raises(stop):
            shot(tmp_path / name, stopped(moving(count), stop))
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]

    def test_an_error_leaves_no_folder(self, tmp_path):
        with pytest.raises(ValueError, match="stop"):
            shot(tmp_path / "frames", stopped(moving(3), ValueError("stop")))
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", FILES)
    def test_a_complete_film_replaces_the_old_one(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"old")
        shot(tmp_path / name, moving())
        assert len(read(tmp_path / name)) == 12

    @pytest.mark.parametrize("name", NAMES)
    def test_it_may_be_read_by_whom_other_files_may_be(self, tmp_path, name):
        shot(tmp_path / name, moving(2))
        plain = tmp_path / "plain"
        plain.mkdir() if name == "out" else plain.touch()
        assert (tmp_path / name).stat().st_mode == plain.stat().st_mode

    @pytest.mark.parametrize("name", NAMES)
    def test_a_full_disk_leaves_nothing(self, tmp_path, name):
        """Files may not grow beyond 20 kB, which noise soon does."""
        size = 256 if name == "out" else 64
        with small_files(20_000), pytest.raises(FilmError, match="make room there"):
            shot(tmp_path / name, noise(80, size))
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", NAMES)
    def test_an_interrupt_within_a_frame_ends_the_film(self, tmp_path, monkeypatch, name):
        opened = film(tmp_path / name)
        out = opened.__enter__()
        out.write(next(moving()))

        def interrupted(frame):
            raise KeyboardInterrupt

        monkeypatch.setattr(out._encoder, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            out.write(next(moving()))
        with pytest.raises(FilmError, match="could not be written"):
            opened.__exit__(None, None, None)
        assert not list(tmp_path.iterdir())

    def test_a_damaged_film_is_not_completed(self, tmp_path):
        opened = film(tmp_path / "out.gif")
        out = opened.__enter__()
        with small_files(100), pytest.raises(FilmError, match="too large"):
            out.write(next(noise(1)))
        with pytest.raises(FilmError, match="damaged"):
            out.write(next(noise(1)))
        with pytest.raises(FilmError, match="could not be written"):
            opened.__exit__(None, None, None)
        assert not list(tmp_path.iterdir())


@contextmanager
def small_files(most):
    """Within the context this process writes no file beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestRefused:
    @pytest.mark.parametrize("name", ["out.avi", "out.mp4.txt", "out.v2", ""])
    def test_unknown_suffixes(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(FilmError, match=r"\.mp4, \.gif, \.webp"), film(name):
            pass
        assert not list(tmp_path.iterdir())

    def test_a_build_without_the_encoder(self, tmp_path, monkeypatch):
        monkeypatch.setattr("evocache.video.formats.ENCODER", "libx999")
        with pytest.raises(FilmError, match="without libx999"), film(tmp_path / "out.mp4"):
            pass
        assert not list(tmp_path.iterdir())

    def test_suffixes_in_capitals_are_known(self, tmp_path):
        shot(tmp_path / "OUT.GIF", moving(2))
        assert len(read(tmp_path / "OUT.GIF")) == 2

    @pytest.mark.parametrize("name", NAMES)
    def test_no_frames(self, tmp_path, name):
        with pytest.raises(FilmError, match="without a frame"), film(tmp_path / name):
            pass
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", NAMES)
    def test_a_size_that_changes_is_named_and_the_film_goes_on(self, tmp_path, name):
        with film(tmp_path / name) as out:
            out.write(next(moving()))
            with pytest.raises(FilmError, match=r"frame 1 of 32 x 64 pixels.*48 x 64, as frame 0"):
                out.write(next(moving(height=32)))
            out.write(next(moving()))
        assert len(read(tmp_path / name)) == 2

    @pytest.mark.parametrize(
        ("frame", "word"),
        [
            (np.zeros((8, 8, 3)), r"\(8, 8, 3\), float64.*round"),
            (np.zeros((8, 8), dtype=np.uint8), r"\(8, 8\)"),
            (np.zeros((8, 8, 4), dtype=np.uint8), r"\(8, 8, 4\)"),
            (np.zeros((0, 8, 3), dtype=np.uint8), "0 x 8 pixels"),
            (np.zeros((1, 20000, 3), dtype=np.uint8), "1 to 16383 pixels"),
            (Image.new("RGB", (8, 8)), "a frame that is a Image"),
            (None, "NoneType"),
        ],
    )
    def test_what_is_no_frame(self, tmp_path, frame, word):
        with pytest.raises(FilmError, match=word), film(tmp_path / "out.webp") as out:
            out.write(frame)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", NAMES)
    def test_places_that_cannot_be_written(self, tmp_path, name):
        (tmp_path / "file").touch()
        for folder in (tmp_path / "none", tmp_path / "file", Path("/proc")):
            with pytest.raises(FilmError, match=r"a folder that exists|a place where a film can be written"):
                film(folder / name).__enter__()

    @pytest.mark.parametrize("name", FILES)
    def test_a_folder_in_place_of_a_file(self, tmp_path, name):
        (tmp_path / name).mkdir()
        with pytest.raises(FilmError, match="the name of a file"), film(tmp_path / name):
            pass

    def test_a_folder_that_holds_something(self, tmp_path):
        (tmp_path / "frames").mkdir()
        shot(tmp_path / "frames", moving(2))
        with pytest.raises(FilmError, match="there already"), film(tmp_path / "frames"):
            pass
        assert len(read(tmp_path / "frames")) == 2

    def test_frames_after_the_end(self, tmp_path):
        out = shot(tmp_path / "out.gif", moving(2))
        with pytest.raises(FilmError, match="which is closed"):
            out.write(next(moving()))
