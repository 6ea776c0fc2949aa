"""The model process, as the worker that starts it sees it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas import errors
from schemas.errors import InvalidBundle, ShelfwiseError
from streams.model_process.calls import ModelCalls
from streams.model_process.messages import LENGTH_BYTES, Request, decode_reply, framed_request
from streams.reporting.process import ReportingProcess
from streams.settings import Settings

# The time to finish open requests; little is still awaited by then.
STOP_SECONDS: Final = 5.0
_PROGRAM: Final = "streams.model_process"
_log = logging.getLogger(__name__)


class Description(NamedTuple):
    """What metrics and logs show about a model."""

    model_version: str
    taxonomy_version: str
    encoder: str
    gate: str


class ModelProcess(ModelCalls):
    """A model in a process that ends with this one, however this one ends.

    The process reads requests from its input, and sends replies through a pipe of their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.description = Description("", "", "", "")
        self._process = ReportingProcess("model", _PROGRAM, {"model": self})
        self._replies: asyncio.ReadTransport | None = None
        self._reading: asyncio.Task[None] | None = None
        self._refusal: ShelfwiseError | None = None
        self._unreadable: BaseException | None = None

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if anything did."""
        return self._process.failure or self._unreadable

    @property
    def process_id(self) -> int:
        """The id of its process."""
        return self._process.process_id

    async def start(self, settings: Settings, *options: str) -> None:
        """Start it; return when the model is loaded.

        Raises :class:`schemas.errors.ShelfwiseError` if the model cannot be used; the process is stopped first.
        """
        try:
            await self._start(settings, options)
        except BaseException:
            await self.stop(STOP_SECONDS)
            raise

    async def _start(self, settings: Settings, options: Sequence[str]) -> None:
        ours, theirs = os.pipe()
        reader = asyncio.StreamReader()
        self._replies, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
        )
        try:
            await self._process.start(
                settings.environment(), self._is_loaded_or_refused, [str(theirs), *options], [theirs]
            )
        finally:
            os.close(theirs)
        if self._refusal is not None:
            raise self._refusal
        if self.failure is not None:
            raise InvalidBundle(f"bundle {settings.bundle} was not loaded: {self.failure}")
        self._reading = asyncio.ensure_future(self._read(reader))

    async def stop(self, seconds: float) -> None:
        """Let it finish its work in progress, within ``seconds``, and stop it."""
        await self._process.stop(seconds)
        if self._reading is not None:
            await self._reading
        if self._replies is not None:
            self._replies.close()

    def send(self, request: Request) -> None:
        """Send a request."""
        self._process.input.write(framed_request(request))

    def loaded(self, *description: str) -> None:
        """Note that the model is loaded, and its description."""
        self.description = Description(*description)
        self.version = self.description.model_version

    def refused(self, kind: str, problem: str) -> None:
        """Note why the bundle cannot be used; ``kind`` is the name of an error in :mod:`schemas.errors`."""
        self._refusal = getattr(errors, kind)(problem)

    def _is_loaded_or_refused(self) -> bool:
        return bool(self.version or self._refusal)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
                self.receive(decode_reply(await reader.readexactly(length)))
        except asyncio.IncompleteReadError:
            self.end("the model process has ended")
        except Exception as error:
            _log.exception("what the model answers cannot be read")
            self._unreadable = error
            self.end(f"what the model answers cannot be read: {error}")
