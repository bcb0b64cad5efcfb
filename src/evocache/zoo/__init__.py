"""Trained models in the box: `zoo.load("zoo:emoji")("fox").images[0]` is a picture.

In: a name. Out: an ordinary diffusers pipeline, whose call has defaults that fit the model.

- `models`, `load`, `pipelines`: which models there are; loading them; their pipelines
- `prompts`, `motions`: what can be asked for
- `judge`, `video_judge`: networks that say what is on a picture or a video

Imports `errors`; only `loading` and the command line import it.
"""

from evocache.zoo.load import load
from evocache.zoo.models import Zoo, find, names

__all__ = ["Zoo", "find", "load", "names"]
