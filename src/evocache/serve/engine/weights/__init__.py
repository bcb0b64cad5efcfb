"""Where the weights of pipelines are that do not fit into the memory all together.

In: pipelines; which of them are used. Out: weights that are on their device, or wait elsewhere.

- `unit`: weights that go and come as one, with every tensor left what it is
- `piece`: one piece of memory of them
- `slice`: a part of a piece; so much is copied at a time
- `checksum`: tells, on their device, whether bytes changed
- `shelf`: which of them are here, and which leave for others: those that save the least seconds per byte

Imports memory and the policies of usage; nothing of the engine.
"""
