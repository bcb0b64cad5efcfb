import numpy as np
import pytest

from evocache.report import SheetColumn, draw_contact_sheet


def tiles(n, value, size=48):
    return [np.full((size, size, 3), value)] * n


def test_every_image_is_on_the_sheet():
    sheet = draw_contact_sheet({"a": tiles(3, 0.25), "b": tiles(3, 0.75)}, ["one", "two", "three"], scale=2)
    pixels = np.asarray(sheet)
    for level in (64, 191):
        assert (pixels == level).all(axis=2).sum() == 3 * 96 * 96


def test_pixels_stay_what_they_are_when_scaled_by_whole_numbers():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[1, 2] = 255, 10, 20
    pixels = np.asarray(draw_contact_sheet({"a": [image]}, ["x"], scale=10))
    assert (pixels == (255, 10, 20)).all(axis=2).sum() == 100


def test_long_labels_are_wrapped_into_the_margin_and_marks_are_red():
    label = "a very long prompt " * 4
    plain = draw_contact_sheet({"a": tiles(1, 0.5)}, [label])
    marked = draw_contact_sheet({"a": tiles(1, 0.5)}, [label], {"a": SheetColumn("a", marked=frozenset({0}))})
    assert plain.size == marked.size
    assert plain.width < 400
    red = (np.asarray(marked) == (0xD0, 0x20, 0x20)).all(axis=2).sum()
    assert red > 4 * 90
    assert not (np.asarray(plain) == (0xD0, 0x20, 0x20)).all(axis=2).any()


def test_title_heads_and_footer_take_room():
    bare = draw_contact_sheet({"a": tiles(1, 0.5)}, ["x"])
    full = draw_contact_sheet(
        {"a": tiles(1, 0.5)}, ["x"], {"a": SheetColumn("a", ("1x", "2 dB"))}, title="Title", footer="Where from"
    )
    assert full.height > bare.height + 50
    assert full.width == bare.width


@pytest.mark.parametrize(("images", "rows"), [({}, ["x"]), ({"a": []}, []), ({"a": tiles(1, 0.5)}, ["x", "y"])])
def test_missing_images_are_refused(images, rows):
    with pytest.raises(ValueError, match="every row"):
        draw_contact_sheet(images, rows)
