"""Where intermediate and final files go."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "zoo"
ZOO = ROOT / "src" / "evocache" / "zoo"
WEIGHTS = ZOO / "weights"
EMOJI_TEST = Path("/usr/share/unicode/emoji/emoji-test.txt")
EMOJI_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
