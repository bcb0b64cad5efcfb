"""Jobs: requests that are durable before they are acknowledged, and what became of them.

In: requests. Out: records of them, and results as files.

- `record`: what is known of a job; `states`: which state follows which
- `store`: jobs as their owners see them: add, get, list, cancel, delete
- `runs`: jobs as servers run them: begin, progress, finish, fail; what a server that died had begun
- `calls`: what is left of a plain call that ended with its client or server
- `files`: results, each whole or absent
- `retention`: when results leave, and who is refused where there is no room
- `rows`, `listing`: records as rows, and pages of them

Imports `errors`, `serve.database` and who asks, of `serve.requests`; nothing of engines or of the web.
"""
