"""Everything that the process of a model does once it has begun: it loads, and answers until its input ends."""

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
    """Load as ``call`` says, read what was learned, and answer; tells of it on the ``pipe``.

    Returns the exit code of a process that could not load its model; one that could ends here.
    """
    settings = Settings.load()
    model: Any = Reporter("model", pipe)
    compute_in_one_thread()
    try:
        bundle = call(partial(load, settings))
    except ShelfwiseError as error:
        model.refused(type(error).__name__, str(error))
        return 1
    compute_in_one_thread()  # those libraries too that came with the model
    model.loaded(bundle.model_version, bundle.taxonomy_version, bundle.recall.encoder.name, bundle.release)
    statistics = LearnedStatistics(settings) if WITH_STATISTICS in sys.argv else None
    verdicts = LearnedVerdicts(settings, bundle.taxonomy) if WITH_VERDICTS in sys.argv else None
    readers = [learned.readers for learned in (statistics, verdicts) if learned is not None]
    if readers:
        _follow(Follower(settings, ChainMap(*readers)), model.has_caught_up)
    work = ModelWork(settings, bundle, statistics or NoStatistics(), verdicts.standing if verdicts else None)
    _serve(work, int(sys.argv[1]))
    # At once: the threads of libraries may be at work, and nothing is left to do in order.
    os._exit(0)


def compute_in_one_thread() -> None:
    """Let no library compute in several threads.

    To be called in the main thread, which computes; it goes for the libraries that are loaded by then. Left alone,
    BLAS shares the products of matrices of even a small batch among all cores, and its threads wait for one
    another by spinning: twice the CPU time, and later decisions.
    """
    threadpool_limits(1)


def _follow(follower: Follower, caught_up: Callable[[], None]) -> None:
    """Let what was learned be read, ``caught_up`` when all was; that it can be read no more ends us."""
    follower.start()

    def watch() -> None:
        follower.await_caught_up()
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
    # Not by sys.stdin, whose lock Python would wait for in vain at its end, and abort.
    with os.fdopen(_INPUT, "rb", closefd=False) as requests:
        while frame := requests.read(LENGTH_BYTES):
            length = int.from_bytes(frame, "big")
            if len(value := requests.read(length)) < length:
                return  # the worker was killed within a request
            yield value
