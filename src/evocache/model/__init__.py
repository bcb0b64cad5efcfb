"""What a pipeline is made of: denoisers, blocks, leaves, U-Net stages; found by structure, not by class.

In: a pipeline or a module. Out: its denoisers, their component tree, and measures by component.

- `discover`, `pipeline_components`: denoisers of a pipeline, their components and modules
- `bare_denoiser`: what stands for the pipeline of a denoiser that has none
- `kinds`, `leaves`, `unet`: what a module is; leaves of a block and between blocks; stages and deep parts of a U-Net
- `sliceable_units`: the parts of a denoiser that may each be run in slices
- `outputs`: packing and unpacking of nested outputs
- `probe`, `example_inputs`: shapes, bytes, FLOPs and seconds by component; inputs for a bare denoiser
- `architectures`: well-known denoisers in their published sizes; nothing else knows a model by name

Imports the schedule; no policy, no runtime.
"""

from .discover import Denoiser, Model, discover
from .example_inputs import Shape, make_example_inputs
from .probe import Measure, Probe, capture_calls, probe, probe_pipeline

__all__ = [
    "Denoiser",
    "Measure",
    "Model",
    "Probe",
    "Shape",
    "capture_calls",
    "discover",
    "make_example_inputs",
    "probe",
    "probe_pipeline",
]
