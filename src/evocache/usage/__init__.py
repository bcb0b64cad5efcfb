"""Usage: a cache that learns from its use what is worth keeping. numpy only; nothing here knows torch or a web.

In: questions and functions that answer them. Out: answers, most of them kept; figures of what was gained.

- `cache`: the mapping, its decorator, joining of equal questions in flight
- `policies`: who stays and who leaves, a published method a file, and the learned one
- `learn`: replay of the recent past, evolution of the learned policy's weights, who decides and since when
- `keys`: keys that are the same in every process; sizes; values that no caller can spoil
- `tiers`: where answers live outside the process: a disk, a server that several machines share
- `records`, `patterns`, `profile`: what was asked, what repeats, what is known of an owner's habits
- `ahead`: what is computed in idle time, before it is asked for; off by default
- `workloads`: requests as they may come, drawn from a seed, for benchmarks and the demo

Imports `errors`, `units`, `extras`, `tables` and `display`; nothing of `search`.
"""
