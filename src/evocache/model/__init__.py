"""What a pipeline is made of: denoisers, blocks, leaves, U-Net stages; found by structure, not by class."""

from .discover import Denoiser, Model, discover
from .example_inputs import Shape, example_inputs
from .probe import Measure, Probe, capture_calls, probe, probe_pipeline

__all__ = [
    "Denoiser",
    "Measure",
    "Model",
    "Probe",
    "Shape",
    "capture_calls",
    "discover",
    "example_inputs",
    "probe",
    "probe_pipeline",
]
