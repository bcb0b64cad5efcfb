"""Our schedules next to other packages' caches on models of full size and random weights: time and memory.

    python -m benchmarks.sizes [--models pixart,sd15] [--minutes 60] [--rounds 5] [--size tiny]

On this machine's CPU. Speedups are over the uncached generations before and after, in the same process; bytes alive
after the call are counted tensor by tensor, or by the allocator of a GPU. Pictures of random weights mean nothing, so
there is no quality here: `benchmarks.peers` measures that. Needs the extra `peers` for packages beside diffusers.
"""

from __future__ import annotations

from benchmarks.sizes.run import arguments, run


def main() -> None:
    """Measure, write and print."""
    what = __doc__ or ""
    run(arguments(what, ("pixart", "sd15"), "sizes", 60.0).parse_args(), what.partition("\n")[0], "cpu")


if __name__ == "__main__":
    main()
