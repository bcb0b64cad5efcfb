"""Serving many generations at once, to many people.

In: requests. Out: what pipelines make of them.

- `engine`: runs unmodified pipelines step by step, many generations at a time
- `workers`: engines in processes of their own, supervised
- `requests`: what is asked for and answered, apart from any protocol
- `control`: who is let in, at which point of the front, and who goes next
- `access`: who may come in, what for, and how much of it
- `observe`: figures, lines and spans of what was done
- `database`: the server's tables, in SQLite or Postgres
- `jobs`: requests that are durable before they are acknowledged, and their results
- `background`: has these made
- `reuse`: what is stored or being made is not made again
- `audit`: measures the quality of what was made, while nothing else is to be done
- `bounds`: what numbers of settings may be
- `service`, `settings`, `start`, `crew`: all of it together
- `api`, `run`: HTTP, as OpenAI's clients speak it
- `ray_app`: servers on many machines, by Ray Serve

Imports all below it, and nothing of the command line.
"""
