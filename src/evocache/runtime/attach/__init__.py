"""Attaching to live objects without patching their classes, and giving them back exactly as they were.

In: a pipeline's modules, schedulers, autoencoders. Out: calls that are intercepted, until they are detached.

- `interception`, `subclasses`, `accelerated_class`, `method_shadows`: the ways of intercepting
- `call_scope`, `callbacks`, `scheduler_listener`: whose call it is, and what a scheduler does
- `region`, `slot`, `graph_limit`: within `torch.compile`
- `snapshot`, `observers`, `side_effects`, `conflicts`: what modules consist of, who looks on, what is refused

Imports `model`; no schedule, no operations, no store.
"""
