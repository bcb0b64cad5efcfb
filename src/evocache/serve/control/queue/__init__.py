"""Runs that are not over: those that wait, and those that workers have.

In: runs that were submitted, workers that come and go, and what these tell. Out: tasks for workers, and ends of runs.

- `bench`: which worker has which runs, and which has room for another
- `spare`: what a worker has while nothing else is to be done
- `run_queue`: hands over what waits, hears what is told, and ends what cannot go on

Imports the desk and the run.
"""
