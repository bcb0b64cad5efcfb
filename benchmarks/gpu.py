"""Our schedules next to other packages' caches at full size on a GPU: time and memory.

    python -m benchmarks.gpu [--models pixart,sd15,sdxl,flux,wan] [--minutes 10]
    python -m benchmarks.gpu --modes eager,compiled --minutes 40         # compiling takes minutes a model
    python -m benchmarks.gpu --size tiny --device cpu --out FILE        # tries the benchmark itself, without a GPU

PixArt-alpha 256x256, SD1.5 512x512, SDXL 1024x1024, FLUX.1-dev 1024x1024 and Wan 2.1 1.3B 480p, random weights in bf16.
As `benchmarks.sizes`, whose parts it consists of; memory is the allocator's. Without a GPU it says so and ends.
"""

from __future__ import annotations

import torch

from benchmarks.sizes.models import MODELS
from benchmarks.sizes.run import arguments, run


def main() -> None:
    """Measure, write and print."""
    what = __doc__ or ""
    parser = arguments(what, tuple(MODELS), "gpu", 10.0)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU here, so nothing was measured; --size tiny --device cpu tries the benchmark itself")
        return
    run(options, what.partition("\n")[0], options.device)


if __name__ == "__main__":
    main()
