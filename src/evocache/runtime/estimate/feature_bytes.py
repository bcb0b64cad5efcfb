"""Bytes of the features that a denoiser will store, from a rehearsal of its first call under a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ...memory import FeatureStore
from ...memory.rehearsal.rehearsal import rehearse, shadow
from ...model import Denoiser
from ...model.discover import describe_denoiser
from ..attach.interception import attach, detach, inner, intercept_part
from ..calls.denoiser_call import called
from ..ops.branch import Branch
from ..ops.branch_layout import BranchLayout
from ..program.plan import Plan


def feature_sizes(
    denoiser: Denoiser, plan: Plan, args: Sequence[Any], kwargs: Mapping[str, Any], storage: str = "none"
) -> dict[str, int]:
    """Return bytes of one stored value of each component that a plan stores, in order of execution.

    Args:
        denoiser: the denoiser; its weights may be anywhere, also on the meta device.
        plan: what it follows.
        args: positional arguments that it is called with; only shapes and types matter.
        kwargs: keyword arguments that it is called with.
        storage: the coding that features are stored in.

    Raises:
        PolicyError: if there is no coding of that name.
    """
    if not plan.touched:
        return {}
    module = shadow(denoiser.module)
    layout = BranchLayout.of(describe_denoiser(denoiser.name, module), plan)
    branch = Branch(layout, plan, FeatureStore(coding=storage), None, None)

    def call(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            for part in layout.touched_modules:
                attach(part, intercept_part)
                stack.callback(detach, part)
            stack.callback(setattr, inner, "table", inner.table)
            inner.table = branch.begin(plan.start)
            output = called(branch, plan.row(plan.start), type(module).__call__, module, args, kwargs)
            branch.finish()
            return output

    rehearse(module, args, kwargs, call=call)
    return dict(branch.sizes)
