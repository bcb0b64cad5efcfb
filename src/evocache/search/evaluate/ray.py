"""Evaluating jobs on a Ray cluster: the one place of the search that knows Ray."""

from __future__ import annotations

from typing import Any

from ...clusters import connect, disconnect
from ...errors import RunError
from ...extras import optional
from ..optimise.job import Job
from .worker_group import Make, Outcome, Worker, WorkerGroup, WorkerLost


class RayEvaluator(WorkerGroup):
    """A group of workers of Ray actors, one for each CPU of a cluster that is free, or each GPU, started at their
    first job.

    What makes their evaluators travels once to each machine. An actor that dies is replaced, wherever Ray finds room.
    The machines of the cluster need evocache, and what the evaluator is made from. A connection to Ray that there is
    already is used and left open.

    Args:
        make: makes a worker's evaluator, in its process.
        address: `host:port` of the cluster, or `auto` for the one that runs on this machine.
        gpu: whether each worker takes a GPU.

    Raises:
        DependencyError: if Ray is not installed.
        RunError: if there is no cluster at the address, or it has no CPU or GPU.
    """

    def __init__(self, make: Make, address: str = "auto", *, gpu: bool = False) -> None:
        self._ray = optional("ray")
        self._connected = not self._ray.is_initialized()
        if self._connected:
            connect(self._ray, address, RunError, log_to_driver=False)
        kind = "GPU" if gpu else "CPU"
        free = self._ray.available_resources().get(kind) or self._ray.cluster_resources().get(kind, 0)
        self.size = int(free)
        if self.size < 1:
            self._disconnect()
            raise RunError(f"Ray cluster {address!r} without a {kind}", f"at least one {kind}", "add a node")
        self._make = self._ray.put(make)
        self._actor = self._ray.remote(num_cpus=0 if gpu else 1, num_gpus=1 if gpu else 0)(Worker)
        self._actors: dict[int, Any] = {}
        self._answers: dict[Any, int] = {}

    def give(self, worker: int, job: Job) -> None:
        """Hand a job to a worker."""
        if worker not in self._actors:
            self._actors[worker] = self._actor.remote(self._make, worker)
        self._answers[self._actors[worker].answer.remote(job)] = worker

    def wait(self, seconds: float | None = None) -> list[tuple[int, Outcome]]:
        """Wait for jobs, and return what came of them."""
        ready, _ = self._ray.wait(list(self._answers), timeout=seconds)
        return [(self._answers[answer], self._taken(answer)) for answer in ready]

    def _taken(self, answer: Any) -> Outcome:
        worker = self._answers.pop(answer)
        try:
            outcome: Outcome = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            outcome = WorkerLost(" ".join(str(error).split())[:300])
        if isinstance(outcome, WorkerLost):
            self._ray.kill(self._actors.pop(worker))
        return outcome

    def end(self, worker: int) -> None:
        """End an actor."""
        self._answers = {answer: number for answer, number in self._answers.items() if number != worker}
        self._ray.kill(self._actors.pop(worker))

    def stop(self) -> None:
        """End all actors."""
        self._answers.clear()
        while self._actors:
            self._ray.kill(self._actors.popitem()[1])

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connected:
            disconnect(self._ray)
