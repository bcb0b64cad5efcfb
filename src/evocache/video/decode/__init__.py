"""Decoders of videos that run in parts, exactly; and what finds out which way is exact.

In: an autoencoder's method and its arguments. Out: its frames, handed on as they are ready.

- `frame_groups`: group of frames by group, as causal decoders work
- `frame_pipeline`, `pipelined_operations`: slices of frames one after another, as far as each can go
- `temporal_tiles`: tiles of time that are blended
- `frame_group_trial`, `frame_pipeline_trial`, `temporal_tile_trial`, `module_double`: whether a method may be run so
- `output_parts`: parts of what a call returns, put together

Imports `memory.slicing` and the rehearsal; no writer, nothing of the runtime.
"""
