"""Serving many generations at once.

In: requests. Out: what pipelines make of them.

- `engine`: runs unmodified pipelines step by step, many generations at a time
- `workers`: engines in processes of their own, supervised
- `control`: who is let in, at which point of the front, and who goes next
- `database`: the server's tables, in SQLite or Postgres
- `jobs`: requests that are durable before they are acknowledged, and their results

Imports all below it, and nothing of the command line.
"""
