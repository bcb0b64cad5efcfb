"""The pages of a server: to play with its models, and to watch it work.

In: requests of a browser. Out: HTML, scripts and style as they lie in `static`, and figures as JSON.

- `pages`: routes of the pages and their files
- `state`: `GET /v1/admin/state`, what the operator's page shows
- `figures`: what a service is doing, in numbers alone

Imports the API and below.
"""
