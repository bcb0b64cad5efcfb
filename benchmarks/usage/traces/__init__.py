"""Public traces of arrivals and users, read from a folder outside the repository, and prompts as requests.

In: files as their authors published them. Out: requests in order, and figures of each trace.

- `arrivals`: requests with times, users and keys, as far as a trace has them
- `azure`, `mooncake`, `servegen`: a published format a file
- `prompts`: the prompts of benchmarks of text to image, in their order
- `measure`: what a trace is like, and what policies gain where it has keys

Imports `evocache.usage`, `evocache.tables` and `benchmarks.usage`.
"""
