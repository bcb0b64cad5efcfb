"""What tests look for on a page, whose policy lets no text be run as a script in it."""

from __future__ import annotations

import time
from typing import Any

PICTURE = "#pictures img:not(.partial)"

PIXELS = """(image) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data).filter((_, at) => at % 4 < 3);
}"""


def until(page: Any, expression: str, expected: Any = True, seconds: float = 60) -> None:
    """Wait until an expression has a value."""
    end = time.monotonic() + seconds
    while (found := page.evaluate(expression)) != expected:
        assert time.monotonic() < end, f"{expression} is {found!r}"
        page.wait_for_timeout(20)


def until_text(page: Any, selector: str, text: str) -> None:
    """Wait until an element holds a text."""
    page.wait_for_selector(f"{selector}:has-text({text!r})")


def done(page: Any) -> None:
    """Wait until a picture is made and told of."""
    page.wait_for_selector("#account:not([hidden])")


def pixels(page: Any, selector: str = PICTURE) -> bytes:
    """The pixels of a picture that is shown."""
    return bytes(page.eval_on_selector(selector, PIXELS))
