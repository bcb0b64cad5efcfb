"""What a generation has to itself, so that many may be open at once.

In: a pipeline, a seed. Out: a thread that runs the pipeline's call only while it has its turn.

- `generation_thread`: a call as a coroutine: it goes on until it hands a component's call over
- `own_pipeline`: a pipeline object for one request, `own_copy`: its parts without weights
- `global_state`: what the process has one of: `random_states`, `flags`
- `baton`: which engine of the process has that
- `thread_state`: what torch keeps for each thread
- `sharing`, `shared_changes`: what a call changes in modules that others use; `quick_look`, `kept_object`,
  `kept_tensors`: by what that is seen and given back; `own_caches`: what modules change themselves

Imports `adapters`, loading and below; it knows no engine.
"""
