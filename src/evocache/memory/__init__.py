"""Where cached features live, and how a generation is made to fit into memory.

In: features as they are computed; calls on the meta device; a budget in bytes. Out: features when they are
read, counted in bytes; a plan.

- `store`, `quantization`, `latest_tensor`: features from birth to last read, in which type they are stored
- `ledger`, `cudnn_workspace`, `hardware`: bytes alive; what cuDNN holds while it convolves; what moves cost here
- `storage_views`: tensors over memory that others look at as well
- `device_streams`: what is made in one stream of a GPU and used in another
- `rehearsal`: what a call would hold
- `slicing`, `swapping`, `tiers`, `offload`: the means to hold less
- `planner`: the choice among them

Imports the schedule and the model; no video, nothing of the runtime.
"""

from .store import FeatureStore, Stale, version
from .swapping.transfer_tape import Tape

__all__ = ["FeatureStore", "Stale", "Tape", "version"]
