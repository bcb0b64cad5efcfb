"""The stream in which a generation computes its denoiser calls: one, whichever streams they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...memory import device_streams
from ...memory.device_streams import DeviceStreams
from ...model.outputs import list_tensors


class DenoiserStream:
    """Computes all denoiser calls of a generation in the stream of the first.

    What is kept between calls (features, residuals, what guidance and gates compare) is then made, read and let go in
    one stream, so that nothing of it has to be waited for or recorded. A call that comes in another stream, as from
    another thread that goes on with a loop, waits on the device for what its own stream was given before, and its own
    stream waits for the call.
    """

    def __init__(self) -> None:
        self._streams: DeviceStreams | None = None
        self._own: Any = None
        self._known = False

    def has(self, args: Any, kwargs: Any) -> bool:
        """Return whether a call comes in the stream that is computed in; True where the device has no streams.

        Args:
            args: positional arguments of the call; at the first, the device of their tensors is looked at.
            kwargs: keyword arguments.
        """
        if not self._known:
            self._known = True
            found = (device_streams.streams_of(tensor.device) for tensor in list_tensors((args, kwargs)))
            self._streams = next((streams for streams in found if streams is not None), None)
            self._own = None if self._streams is None else self._streams.current()
        return self._streams is None or self._streams.current() == self._own

    def call(self, compute: Callable[[], Any]) -> Any:
        """Compute a call that comes in another stream; what it returns may be used in that one."""
        streams = self._streams
        assert streams is not None, "only a device with streams has another"
        theirs = streams.current()
        self._own.wait_stream(theirs)
        try:
            with streams.within(self._own):
                output = compute()
        finally:
            theirs.wait_stream(self._own)
        streams.record(list_tensors(output), theirs)
        return output
