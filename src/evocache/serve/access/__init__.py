"""Access: who may come in, what for, and how much of it.

In: secrets of keys, names of hosts, paths, links. Out: identities, quotas, refusals.

- `key`: an API key, and the secret that only its holder has
- `key_store`: keys in the server's database
- `key_ring`: keys as requests are let in by: in memory, revoked within seconds
- `scopes`: which paths need which scope
- `exposure`: whom a server can be reached by, and what it has to have then
- `links`: addresses of results that need no key, for a while

Imports the server's database, quotas and requests; no web.
"""
