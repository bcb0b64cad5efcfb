"""Tiers: where answers live outside the process, a disk and a server that several machines share.

In: entries by the digests of their keys. Out: the same entries, or nothing; never another's, never a damaged one. A
tier that fails is off for a while and says so once: whoever asks it is never kept from an answer.

- `tier`: the contract, and what is stored; `seal`: headers and checksums of entries
- `codecs`: values as bytes and back
- `disk`: one SQLite file; `database` opens it, `rows` are its statements
- `shared`: a Valkey or Redis server; `scripts` are what it runs
- `write_behind`: puts that are written in batches, by a thread
- `breaker`: when what failed is tried again; `forks`: what may not be inherited by a child process

Imports `errors`, `extras`, `units` and `usage.keys`.
"""
