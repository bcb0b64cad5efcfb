"""The server's database: SQLite or Postgres, one for all tables of the server.

In: its URL. Out: connections, in transactions that are durable once they end.

- `place`: where it is; `database`: opens it; reading and writing
- `schema`: tables as queries see them: `jobs`, `calls`, `servers` of the room `jobs`, `api_keys` of `access`,
  `key_usage` of `observe`
- `versions`: the migrations that make them
- `alone`: whether another server on this machine has the same file of SQLite

The tables of all rooms are here, since one line of migrations makes them; what rows mean is known by their rooms.
Records of usage may be in the same database: their migrations know nothing of these.

Imports `usage.records.sql`, and SQLAlchemy where it is installed.
"""
