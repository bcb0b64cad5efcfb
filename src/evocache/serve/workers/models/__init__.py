"""Models as workers hold them: loaded, described, called with what a task says, and their outputs as numbers.

In: settings, tasks, outputs of pipelines. Out: cards, arguments of calls, pictures, reasons of failure.

- `loaded`: the pipelines of a model, its points, and the call of a task
- `adapted`: its LoRAs
- `arguments`, `points`, `identity`, `first_calls`: for its card: what may be set, the front, the fingerprint, seconds
- `pictures`: pictures to pipelines, and films and pictures from them
- `failures`, `held_bytes`: whose fault an error is; what the process holds

Imports torch, runtime and below; only `local` imports it, and not before it starts.
"""
