"""The HTTP interface: OpenAI's images, videos and models, and extensions.

In: HTTP requests. Out: answers, streams and errors as OpenAI's clients read them.

- `app`: the application
- `images`, `edits`, `promised`, `videos`, `models`, `health`: routes
- `entrance`: what every request passes; `reports`: usage, metrics, results by links
- `schemas`: bodies
- `errors`: what a request is refused or failed with
- `parts`: what routes are given
- `leaving`: work that ends with its client

Imports the service and below.
"""
