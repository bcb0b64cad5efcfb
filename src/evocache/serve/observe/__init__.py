"""Observation: what a server did, in figures, lines and spans; never prompts, secrets, pictures or names of users.

In: how requests ended. Out: metrics for Prometheus, sums by key and day, one line a request, traces.

- `observer`: is told, and counts
- `outcome`: how a request for generations ended
- `notes`: what is noted of a request of HTTP while it is answered
- `tallies`: sums by key, day and model; `tally_store` keeps them in the server's database
- `metrics`: metrics by the names that peers have; `gauges` reads those that others count
- `logs`: lines of JSON or text, in which nothing of a request's content can stand
- `traces`: spans for OpenTelemetry, where that is installed and wanted

Imports the server's database and requests; Prometheus and OpenTelemetry where they are installed.
"""
