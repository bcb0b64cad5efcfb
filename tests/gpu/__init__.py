"""What only a GPU can show: streams, pinned memory, CUDA graphs, what its allocator says. Without one all is skipped.

`EVOCACHE_TEST_DEVICE=cpu` runs the same bodies on the CPU, as far as they mean anything there.
"""
