"""Evaluation: from jobs to answers, in this process, in others, or on other machines.

In: jobs (a schedule and prompts). Out: answers that depend on the job alone; faults told apart from failures.

- `local`, `workload`, `quality`, `rewards`: a job on a live pipeline
- `evaluation_plans`: memory plans that keep evaluations within a limit
- `faults`: a schedule's failure or a machine's
- `worker_group`, `process_pool`, `ray`, `worker_recipe`, `job_times`: many workers
- `fingerprint`: digests of what is evaluated on

Imports the runtime, metrics and the evolution's types. Only `ray` knows Ray.
"""
