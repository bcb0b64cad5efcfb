"""A dry run says nothing in the hosts' logs; what other threads say is heard."""

from __future__ import annotations

import logging
import threading

import pytest

from evocache import apply, discover
from evocache.runtime.estimate.dry_run import dry_run
from evocache.runtime.estimate.quiet_logs import quiet_logs
from tests.tiny import FAMILIES


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def log():
    logger, handler = logging.getLogger("diffusers.of.a.test"), Heard()
    logger.addHandler(handler)
    yield logger, handler.messages
    logger.removeHandler(handler)


def test_a_thread_is_hushed_and_no_other(log):
    logger, heard = log
    with quiet_logs():
        logger.error("mine")
        other = threading.Thread(target=logger.error, args=("another's",))
        other.start()
        other.join()
    logger.error("after")
    assert heard == ["another's", "after"]
    assert not logger.filters


def test_what_ends_a_dry_run_is_not_logged(log, monkeypatch):
    """As modular pipelines do it: they log what ends a block, with its traceback, and raise it."""
    logger, heard = log
    pipe = FAMILIES["pixart"].build()
    postprocess = pipe.image_processor.postprocess

    def logged(*args, **kwargs):
        try:
            return postprocess(*args, **kwargs)
        except Exception as error:
            logger.error(f"Error in block: {error}")
            raise

    monkeypatch.setattr(pipe.image_processor, "postprocess", logged)
    call = {"prompt": "a red fox", "num_inference_steps": 2, "height": 64, "width": 64, "use_resolution_binning": False}
    assert dry_run(pipe, discover(pipe), (), call).acts["decode"]
    assert heard == []
    with apply(pipe, "fora:2"):
        pipe(**call)
        monkeypatch.setattr(pipe.vae, "decode", None)
        with pytest.raises(TypeError):
            pipe(**call)
