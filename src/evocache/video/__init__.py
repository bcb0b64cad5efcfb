"""Videos: written as their frames come, and decoded in parts.

In: decoded frames, or a decoder's call. Out: a file, or the same frames while less is held.

- `writer`: a video file that takes one frame after another
- `formats`: MP4, GIF, WebP, PNG files
- `decode`: decoders that run in parts, exactly

Imports `memory` and `model`; nothing of the runtime, which uses it.
"""
