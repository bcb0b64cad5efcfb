"""A request's own pipeline object: what its call writes is its own, what has weights is shared."""

from __future__ import annotations

import copy
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import ConfigMixin
from torch import nn
from transformers import PreTrainedTokenizerBase

from evocache.serve.engine.isolation.own_copy import own_copy
from evocache.serve.engine.isolation.own_pipeline import own_pipeline
from tests.tiny import FAMILIES, FAMILY_OF

SCHEDULERS = sorted(name for name in dir(diffusers) if name.endswith("Scheduler") and not name.startswith("Flax"))


def state_of(thing: Any) -> Any:
    """All that a thing without weights holds, for comparing."""
    if isinstance(thing, torch.Tensor):
        return str(thing.dtype), str(thing.tolist())  # of NaN too
    if isinstance(thing, np.ndarray):
        return thing.tolist()
    if isinstance(thing, dict):
        return {key: state_of(value) for key, value in thing.items()}, state_of(getattr(thing, "__dict__", None))
    if isinstance(thing, (list, tuple, set)):
        return [state_of(each) for each in thing]
    if isinstance(thing, (ConfigMixin, PreTrainedTokenizerBase)) and not isinstance(thing, nn.Module):
        return state_of(vars(thing))
    return thing if isinstance(thing, (int, float, str, type(None))) else id(thing)


def shared(one: Any, other: Any) -> list[str]:
    """Names of containers and tensors that two objects both hold."""
    held = (list, dict, torch.Tensor, np.ndarray)
    of_other = {id(value) for value in vars(other).values() if isinstance(value, held)}
    return [name for name, value in vars(one).items() if id(value) in of_other]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # some hand tensors to functions of numpy
@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_are_copied_as_deeply_as_they_are_written_on(name: str) -> None:
    try:
        scheduler = getattr(diffusers, name)()
    except (ImportError, ValueError, TypeError) as error:  # it needs another library, or arguments
        pytest.skip(str(error))
    before, own = state_of(scheduler), own_copy(scheduler, {})
    assert state_of(own) == before == state_of(copy.deepcopy(scheduler))
    assert own.config == scheduler.config
    assert list(own.config) == list(scheduler.config)
    assert not shared(own, scheduler)
    assert not shared(own.config, scheduler.config)
    own.config["num_train_timesteps"] = own.config.num_train_timesteps = 7
    for value in vars(own).values():  # what a step might write
        if isinstance(value, torch.Tensor):
            value.zero_()
        elif isinstance(value, list):
            value.clear()
    assert state_of(scheduler) == before


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_modules_are_shared_and_all_else_is_its_own(name: str) -> None:
    pipe = FAMILIES[name].build()
    before = state_of(vars(pipe))
    own = own_pipeline(pipe)
    assert type(own) is type(pipe)
    for part, value in pipe.components.items():
        mine = own.components[part]
        assert (mine is value) == (value is None or isinstance(value, (nn.Module, int, float, str, bool))), part
        assert type(mine) is type(value)
    assert own.config == pipe.config
    own._guidance_scale = 99
    own.scheduler.config.prediction_type = "anything"
    tokenizers = [part for part in own.components.values() if isinstance(part, PreTrainedTokenizerBase)]
    own.register_to_config(anything=1)
    for tokenizer in tokenizers:
        tokenizer.padding_side = "left" if tokenizer.padding_side == "right" else "right"
        tokenizer.pad_token = "a"
        tokenizer.deprecation_warnings["told"] = True
    assert state_of(vars(pipe)) == before
    assert "_guidance_scale" not in vars(pipe)


def test_pipelines_in_a_pipeline_share_the_copies() -> None:
    own = own_pipeline(FAMILIES["kandinsky22"].build())
    assert own.decoder_pipe.scheduler is own.scheduler
    assert own.prior_pipe.prior is own.prior_prior


def test_a_tokenizer_gives_each_request_what_it_gives_alone() -> None:
    """Its native tables are shared: how the latest call pads and cuts is nothing to the next."""
    tokenizer = FAMILIES["pixart"].build().tokenizer
    one, other = own_copy(tokenizer, {}), own_copy(tokenizer, {})
    alone = copy.deepcopy(tokenizer)
    expected = [alone("a red fox").input_ids, alone.tokenize("a hen"), alone("fox", padding="max_length", max_length=9)]
    other(["a", "a long text"], padding="max_length", max_length=12, truncation=True)
    found = [one("a red fox").input_ids]
    other("a text", padding="max_length", max_length=3, truncation=True)
    found.append(one.tokenize("a hen"))
    other("a text")
    assert [*found, one("fox", padding="max_length", max_length=9)] == expected
