"""Copies of outputs: equal, of the same form, and nobody else's."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from evocache.runtime.joint.lane import Lane
from evocache.serve.engine.conditioning.call_keys import key_of
from evocache.serve.engine.conditioning.kept_output import KeptOutput, address_of, copy_output


class Pair(NamedTuple):
    one: Any
    other: Any


def kept(output: Any) -> KeptOutput:
    found = copy_output(output, ())
    assert found is not None
    return found


def test_a_copy_has_the_form_the_strides_and_the_shared_memory_of_the_output() -> None:
    last = torch.arange(24.0).reshape(2, 3, 4)
    output = BaseModelOutputWithPooling(last, last[:, 0], hidden_states=(last.transpose(1, 2), last))
    held = kept(output)
    assert held.nbytes == last.nbytes
    one, other = held.make(), held.make()
    assert type(one) is BaseModelOutputWithPooling
    assert one.attentions is None
    assert one.hidden_states[1] is one.last_hidden_state
    assert one.hidden_states[0].stride() == output.hidden_states[0].stride()
    assert torch.equal(one.pooler_output, last[:, 0])
    one.last_hidden_state.zero_()
    assert not one.pooler_output.any()
    for each in (other, held.make()):
        assert torch.equal(each.last_hidden_state, last)
        assert torch.equal(each.hidden_states[0], last.transpose(1, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_types_of_numbers_stay(dtype: torch.dtype) -> None:
    tensor = torch.arange(5).to(dtype)
    found = kept(Pair((tensor, "words", None), 3)).make()
    assert type(found) is Pair
    assert found[1] == 3
    assert torch.equal(found.one[0], tensor)
    assert found.one[0].dtype is dtype


def test_what_a_copy_would_not_be_equal_to_is_not_copied() -> None:
    given = torch.ones(3)
    assert copy_output((given[1:], 0), {address_of(given)}) is None
    for odd in (object(), torch.ones(2, requires_grad=True), torch.nn.Parameter(given), torch.ones(2).to_sparse()):
        assert copy_output((odd,), ()) is None


def call(*args: Any, **kwargs: Any) -> Any:
    return key_of(Lane(None, lambda *_: None, (torch.ones(2, 3), *args), kwargs))


def test_calls_are_known_by_values_types_and_names() -> None:
    ids, mask = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[1, 1], [1, 0]])
    calls = [
        call(ids),
        call(mask),
        call(ids.int()),
        call(ids.t()),
        call(ids, mask),
        call(ids=ids),
        call(input_ids=ids),
        call(ids, 0.0),
        call(ids, -0.0),
        call(ids, 0),
        call(ids, False),
        call(ids, None),
        call(ids, "0"),
        call(ids, [0, 1]),
        call(ids, (0, 1)),
        call(ids, {"0": 0}),
    ]
    assert None not in calls
    assert len(set(calls)) == len(calls)
    assert call(ids.clone(), 0.0, mask=mask.clone()) == call(ids, 0.0, mask=mask)
    for odd in (object(), torch.Generator(), torch.nn.Parameter(torch.ones(2)), [torch.ones(1), object()]):
        assert call(ids, odd) is None
