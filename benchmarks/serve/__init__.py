"""What the server costs and gains, through HTTP: `python -m benchmarks.serve`.

- `server`: a server in processes of its own, and the processor seconds of all of them
- `alone`: one request at a time against the plain pipeline; requests answered from stored results
- `together`: eight clients against one after the other
- `overload`: more than can be done, for minutes
- `loadgen`: MLPerf's LoadGen, where it is installed
- `fuzz`: the whole API by its description, for minutes (`python -m benchmarks.serve.fuzz`)
"""
