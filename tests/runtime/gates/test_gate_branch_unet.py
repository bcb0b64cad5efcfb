"""Gates on U-Nets do what their rules, written by hand, say; their decisions replay to the bit."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from evocache import apply
from evocache.errors import PolicyError
from tests.runtime.gates.test_gate_branch import STEPS, Easy, FirstBlock, Tea
from tests.runtime.support import counted

UNETS = ("sd15", "sdxl", "svd", "animatediff")


@contextmanager
def gated(unet, depth, rule):
    """All is computed; where `rule(entered, layer, now)` says so, what leaves the deep part is what left it before.

    Nothing else of the part reaches what lies outside, so that the output is the one of a U-Net that skips it. It is
    asked with what enters the first stage, its first residual block's second convolution, and the deep part.
    """
    down, up = unet.down_blocks[0], unet.up_blocks[-1]
    within = depth < len(down.resnets)  # else it begins with the change of resolution
    residual = getattr(down.resnets[0], "spatial_res_block", down.resnets[0])
    units = [getattr(up, name, None) for name in ("motion_modules", "attentions", "resnets")]
    enters = down if not depth else down.resnets[depth] if within else down.downsamplers[0]
    leaves = next(list_ for list_ in units if list_)[len(up.resnets) - 2 - depth] if within else unet.up_blocks[-2]
    state = {"computed": []}

    def first(_, args, kwargs):
        state["entered"] = next(iter((*args, *kwargs.values())))

    def layer(_, args):
        state["layer"] = args[0]

    def entering(_, args, kwargs):
        now = next(iter((*args, *kwargs.values())))
        state["computes"] = rule(state["entered"], state.get("layer"), now)
        state["computed"].append(state["computes"])

    def left(_, args, output):
        output = output[0] if isinstance(output, tuple) else output
        if state["computes"]:
            state["kept"] = output.clone()
            rule.left(output)
        kept = state["kept"].clone()
        return (kept,) if leaves in (getattr(up, "attentions", None) or ()) else kept

    with ExitStack() as stack:
        for hook in (
            down.register_forward_pre_hook(first, with_kwargs=True),
            residual.conv2.register_forward_pre_hook(layer),
            enters.register_forward_pre_hook(entering, with_kwargs=True),
            leaves.register_forward_hook(left),
        ):
            stack.callback(hook.remove)
        yield state["computed"]


CASES = {
    "fbcache": (1, FirstBlock, {"sd15": 0.1, "sdxl": 0.1, "svd": 0.1, "animatediff": 0.1}),
    "teacache": (1, Tea, {"sd15": 0.15, "sdxl": 0.15, "svd": 0.3, "animatediff": 0.15}),
    "easycache": (0, Easy, {"sd15": 0.7, "sdxl": 0.7, "svd": 0.05, "animatediff": 0.7}),
}
"""Skip connection below which is governed, the rule, and thresholds at which some steps are computed, others not."""


@pytest.mark.table("name", family=lambda name: "unet")
@pytest.mark.parametrize("name", UNETS)
@pytest.mark.parametrize("spec", CASES)
def test_a_gate_does_what_its_rule_says_and_replays(family, name, spec):
    one = family(name)
    depth, rule, thresholds = CASES[spec]
    with gated(one.pipe.unet, depth, rule(thresholds[name])) as computed:
        expected = one.call(steps=STEPS)
    with apply(one.pipe, f"{spec}:{thresholds[name]}") as handle, counted(one) as ran:
        output = one.call(steps=STEPS)
    recorded, stats, part = handle.recorded, handle.stats, f"unet/deep[{depth}]"
    assert 1 < sum(computed) < STEPS - 1
    assert [recorded.action(step, part).name == "compute" for step in range(STEPS)] == computed
    assert np.array_equal(output, expected)
    assert ran["unet/mid_block.resnets.0"] == stats.executed[part] == sum(computed)
    up = one.pipe.unet.up_blocks
    assert ran[f"unet/up_blocks.{len(up) - 1}.resnets.{len(up[-1].resnets) - 1}"] == STEPS
    assert stats.cached_bytes == 0 < stats.gate_bytes
    with apply(one.pipe, recorded) as replay:
        assert np.array_equal(one.call(steps=STEPS), output)
    assert replay.stats.executed == stats.executed
    assert stats.predicted_peak_bytes == replay.stats.predicted_peak_bytes == replay.stats.peak_cached_bytes


def test_as_many_layers_are_computed_as_the_gate_says(family):
    """First layers, warm-up, most in a row and forecasts mean in a U-Net what they mean in a stack."""
    one = family("sdxl")
    with apply(one.pipe, "dbcache:9,4,0,3,1,1") as handle, counted(one) as ran:
        output = one.call(steps=STEPS)
    names = [handle.recorded.action(step, "unet/deep[4]").name for step in range(STEPS)]
    assert names == ["compute"] * 3 + ["forecast", "compute", "forecast", "compute", "forecast"]
    assert ran["unet/down_blocks.1.resnets.0"] == STEPS > ran["unet/down_blocks.1.resnets.1"] == 5
    with apply(one.pipe, handle.recorded):
        assert np.array_equal(one.call(steps=STEPS), output)


def test_a_late_start_is_gated_too(family):
    one = family("sd15_img2img")
    with apply(one.pipe, "easycache:9") as handle:
        output = one.call(steps=STEPS)
    assert not handle.recorded.is_full
    with apply(one.pipe, handle.recorded):
        assert np.array_equal(one.call(steps=STEPS), output)


def test_features_that_freeu_scales_in_place_are_compared_as_they_were(family):
    one = family("sd15")
    one.pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.4, b2=1.6)
    try:
        with apply(one.pipe, "easycache:0.5") as handle:
            output = one.call(steps=STEPS)
        with apply(one.pipe, handle.recorded):
            assert np.array_equal(one.call(steps=STEPS), output)
    finally:
        one.pipe.disable_freeu()
        for block in one.pipe.unet.up_blocks:
            del block.s1, block.s2, block.b1, block.b2


def test_what_makes_no_sense_in_a_u_net_is_refused(family):
    one = family("sd15")
    with pytest.raises(PolicyError, match="last layers of a U-Net"):
        apply(one.pipe, "dbcache:0.1,1,1")
    with pytest.raises(PolicyError, match="more than 12 skip connections"):
        apply(one.pipe, "dbcache:0.1,12")
