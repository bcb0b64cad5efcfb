"""The simulated server: one worker that does one action after the other, and requests that arrive meanwhile.

Actions, in this order: decode hits that wait; a step of the batch; a new batch; a step of a picture ahead. An action is
never cut short; what arrives during one waits for its end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from evocache.usage.policies.policy import EvictionPolicy, Item

from .ahead import Ahead
from .arrivals import Request
from .outcome import Outcome
from .stages import FIXED, Point, Stages


@dataclass
class Server:
    """Says how a server works.

    Attributes:
        stages: seconds of the stages.
        point: of the front that every request is given.
        batch: most requests of a batch.
        joining: whether a question in flight is joined.
        policy: what is kept; None for nothing. Its bytes count entries of `entry_bytes`.
        entry_bytes: of an answer that is kept.
        decoded: whether a hit has to be decoded (latents are kept), or is there at once (pictures).
        limit: predicted seconds of the queue above which requests are shed; none if not given.
        another: whether an owner who repeats the last question wants another picture, so that nothing kept serves it.
        ahead: what is made while the worker is idle; None for nothing.
    """

    stages: Stages = field(default_factory=Stages)
    point: Point = FIXED
    batch: int = 8
    joining: bool = False
    policy: EvictionPolicy | None = None
    entry_bytes: int = 3_990
    decoded: bool = False
    limit: float | None = None
    another: bool = False
    ahead: Ahead | None = None


class Run:
    """Runs requests through a server.

    Args:
        server: how it works; its policy and what it makes ahead are changed.
        requests: in order of arrival; they are changed.
    """

    def __init__(self, server: Server, requests: list[Request]) -> None:
        self.server, self.now, self.inside = server, 0.0, 0
        self.outcome = Outcome(requests)
        self._next = 0
        self._queue: deque[Request] = deque()
        self._batch: list[Request] = []
        self._steps = 0
        self._hits: deque[Request] = deque()
        self._flying: dict[int, list[Request]] = {}
        self._last: dict[int, int] = {}

    def until(self, end: float = float("inf")) -> Outcome:
        """Run until all is answered, or the clock passes a second."""
        requests = self.outcome.requests
        while self.now < end:
            if self._hits:
                self._decode()
            elif self._batch:
                self._step()
            elif self._queue:
                self._begin()
            elif not (self._next < len(requests) and self._make_ahead()):
                if self._next == len(requests):
                    break
                self._pass(max(requests[self._next].at - self.now, 0.0))
        self.outcome.end = self.now
        if self.server.ahead is not None:
            self.server.ahead.close()
            self.outcome.ahead, self.outcome.wasted = self.server.ahead.spent, self.server.ahead.wasted
        return self.outcome

    def _work(self, seconds: float) -> None:
        self.outcome.busy += seconds
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        """Let time go by; requests arrive at their times."""
        end, requests = self.now + seconds, self.outcome.requests
        while self._next < len(requests) and requests[self._next].at <= end:
            request = requests[self._next]
            self._next += 1
            self._go_to(request.at)
            self.inside += 1
            self._arrive(request)
        self._go_to(end)

    def _go_to(self, now: float) -> None:
        self.outcome.area += self.inside * (now - self.now)
        self.now = now

    def _arrive(self, request: Request) -> None:
        server, key = self.server, request.key
        repeats = server.another and request.owner > 0 and self._last.get(request.owner) == key
        self._last[request.owner] = key
        if server.ahead is not None and server.ahead.arrived(request):
            self._answer(request, "ahead")
        elif server.policy is not None and not repeats and key in server.policy:
            server.policy.hit(key, request.number, request.owner)
            if server.decoded:
                self._hits.append(request)
            else:
                self._answer(request, "hit")
        elif server.joining and not repeats and key in self._flying:
            self._flying[key].append(request)
        elif server.limit is not None and self._predicted() > server.limit:
            self._answer(request, "shed")
        else:
            self._queue.append(request)
            self._flying.setdefault(key, [])

    def _predicted(self) -> float:
        """Return seconds until the worker would begin what arrives now."""
        server = self.server
        whole, rest = divmod(len(self._queue) + 1, server.batch)
        queued = whole * server.stages.batch_seconds(server.batch, server.point.share)
        queued += server.stages.batch_seconds(rest, server.point.share) if rest else 0.0
        return queued + self._steps * server.stages.step_seconds(len(self._batch), server.point.share)

    def _answer(self, request: Request, how: str) -> None:
        request.how, request.answered = how, self.now
        self.inside -= 1

    def _decode(self) -> None:
        """Decode hits that wait."""
        ready = [self._hits.popleft() for _ in range(min(len(self._hits), self.server.batch))]
        self._work(self.server.stages.decode_seconds(len(ready)))
        for request in ready:
            self._answer(request, "hit")

    def _begin(self) -> None:
        """Begin a batch of those who wait longest."""
        self._batch = [self._queue.popleft() for _ in range(min(len(self._queue), self.server.batch))]
        self._steps = self.server.stages.steps
        self.outcome.waits += [self.now - request.at for request in self._batch]
        self._work(self.server.stages.text_seconds(len(self._batch)))

    def _step(self) -> None:
        """Do a step of the batch; after the last one decode it, and answer those who joined it too."""
        server = self.server
        if self._steps:
            self._steps -= 1
            self._work(server.stages.step_seconds(len(self._batch), server.point.share))
            return
        self._work(server.stages.decode_seconds(len(self._batch)))
        done, self._batch = self._batch, []
        for request in done:
            self._answer(request, "computed")
            self._keep(request)
        waiting = {request.key for request in self._queue}
        for request in done:
            for joined in self._flying.pop(request.key, []):
                self._answer(joined, "joined")
                if server.policy is not None:
                    server.policy.hit(joined.key, self._next, joined.owner)
            if request.key in waiting:
                self._flying[request.key] = []

    def _keep(self, request: Request) -> None:
        policy = self.server.policy
        if policy is not None and request.key not in policy:
            item = Item(request.key, self.server.entry_bytes, request.seconds, request.owner, request.group)
            policy.add(item, self._next)

    def _make_ahead(self) -> bool:
        """Make a picture ahead until it is done or the worker is needed; return whether there is one to make."""
        ahead, stages = self.server.ahead, self.server.stages
        if ahead is None:
            return False
        drawn = ahead.choose()
        if drawn is None:
            return False
        parts = [stages.text_seconds(1), *[stages.step_seconds(1, self.server.point.share)] * stages.steps]
        parts.append(stages.decode_seconds(1))
        for seconds in parts[drawn.done :]:
            self._work(seconds)
            drawn.done += 1
            drawn.seconds += seconds
            ahead.spent += seconds
            if self._queue or self._hits:
                break
        if drawn.done == len(parts):
            ahead.made(drawn)
        else:
            ahead.interrupted(drawn)
        return True
