"""Trained models in the box: `zoo.load("zoo:emoji")`, and what a call of them needs."""

from evocache.zoo.load import load
from evocache.zoo.models import Zoo, find, names

__all__ = ["Zoo", "find", "load", "names"]
