"""How something was made, as its run tells."""

from __future__ import annotations

from ..control.points import UNCACHED
from ..control.run import Run
from ..requests.answer import Account
from ..workers.updates import Made


def account_of(run: Run, made: Made) -> Account:
    """Return the account of a run that is over.

    Args:
        run: the run.
        made: its end.
    """
    point, card = run.point, run.card
    begun = run.came if run.begun is None else run.begun
    outside = f"everything was computed, since the front of {card.name} says nothing here: {run.ladder.outside}"
    return Account(
        run.task.id,
        run.task.seed,
        UNCACHED if point is None else point.label,
        None if point is None else point.speedup,
        None if point is None else point.quality,
        seconds={"queue": begun - run.came, **made.seconds, "predicted": run.predicted},
        notes=(outside,) if run.ladder.outside else (),
        run_notes=made.notes,
        loras=run.task.loras,
    )
