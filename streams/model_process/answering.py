"""What the model process does after its setup: it loads the model, and answers until its input ends."""

from __future__ import annotations

import os
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread
from typing import Any, Final

from threadpoolctl import threadpool_limits

from schemas.errors import ShelfwiseError
from streams.freed_memory import give_back
from streams.learned.follower import Follower
from streams.learned.statistics import LearnedStatistics
from streams.learned.verdicts import LearnedVerdicts
from streams.model_process.loading import load
from streams.model_process.messages import LENGTH_BYTES
from streams.model_process.niceness import Caller
from streams.model_process.options import WITH_STATISTICS, WITH_VERDICTS
from streams.model_process.work import ModelWork
from streams.reporting.report import Reporter
from streams.settings import Settings
from workers.statistics import NoStatistics

_INPUT: Final = 0


def answer(pipe: int, call: Caller) -> int:
    """Load the model, start reading what was learned, and answer requests.

    ``call`` does the loading, and progress is reported on the ``pipe``. Returns an exit code only if the model
    could not be loaded; otherwise the process ends here.
    """
    settings = Settings.load()
    model: Any = Reporter("model", pipe)
    compute_in_one_thread()
    try:
        bundle = call(partial(load, settings))
    except ShelfwiseError as error:
        model.refused(type(error).__name__, str(error))
        return 1
    compute_in_one_thread()  # also the libraries that were loaded with the model
    model.loaded(bundle.model_version, bundle.taxonomy_version, bundle.recall.encoder.name, bundle.release)
    statistics = LearnedStatistics(settings) if WITH_STATISTICS in sys.argv else None
    verdicts = LearnedVerdicts(settings, bundle.taxonomy) if WITH_VERDICTS in sys.argv else None
    handlers = [learned.handlers for learned in (statistics, verdicts) if learned is not None]
    if handlers:
        _follow(Follower(settings, ChainMap(*handlers)), model.note_caught_up)
    else:
        model.note_caught_up()
    work = ModelWork(settings, bundle, statistics or NoStatistics(), verdicts)
    _serve(work, int(sys.argv[1]))
    # End at once: threads of libraries may still be running, and nothing is left to clean up.
    os._exit(0)


def compute_in_one_thread() -> None:
    """Make every library compute in a single thread.

    Call it in the main thread, which computes; it affects the libraries loaded by then. By default, BLAS splits
    the matrix products of even a small batch among all cores, and its threads spin while they wait for one
    another: that takes twice the CPU time and delays decisions.
    """
    threadpool_limits(1)


def _follow(follower: Follower, caught_up: Callable[[], None]) -> None:
    """Follow what was learned; call ``caught_up`` when all of it is read, and end the process if reading fails."""
    follower.start()

    def watch() -> None:
        follower.await_caught_up()
        give_back()
        if follower.failure is None:
            caught_up()
        follower.join()
        os._exit(1)

    Thread(target=watch, name="shelfwise-follower-end", daemon=True).start()


def _serve(work: ModelWork, replies: int) -> None:
    with os.fdopen(replies, "wb") as output:
        for request in _requests():
            for reply in work.answer(request):
                output.write(reply)
                output.flush()


def _requests() -> Iterator[bytes]:
    # Not sys.stdin: at exit Python would wait for its lock in vain, and abort.
    with os.fdopen(_INPUT, "rb", closefd=False) as requests:
        while frame := requests.read(LENGTH_BYTES):
            length = int.from_bytes(frame, "big")
            if len(value := requests.read(length)) < length:
                return  # the worker was killed while it sent a request
            yield value
