"""Reports: what holders of keys see of themselves, what operators see of the server, and results by signed links.

In: requests. Out: sums, metrics, files.

- `usage`: `GET /v1/usage`
- `metrics`: `GET /metrics`
- `results`: `GET /v1/results/{id}/{variant}`, which signed links lead to

Imports the service, access and observe.
"""
