"""The process of the model, as a worker starts it: it answers requests until its input ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any, Final

from threadpoolctl import threadpool_limits

from schemas.errors import ShelfwiseError
from streams.model_process.loading import load, load_beside_others
from streams.model_process.messages import LENGTH_BYTES, Request, decode_request, framed_reply
from streams.model_process.process import BESIDE_ANOTHER, WITH_STATISTICS
from streams.model_process.work import ModelWork
from streams.reporting import child
from streams.reporting.report import Reporter
from streams.settings import Settings
from streams.statistics_view import StatisticsView
from workers.statistics import NoStatistics, Statistics

_INPUT: Final = 0


def main() -> int:
    """Load, read what was learned, and answer; tells of it on the output."""
    pipe = child.begin()
    # Who stops all processes of a service at once, as systemd does, stops the worker, which has questions left.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    settings = Settings.load()
    model: Any = Reporter("model", pipe)
    compute_in_one_thread()
    try:
        bundle = load_beside_others(settings) if BESIDE_ANOTHER in sys.argv else load(settings)
    except ShelfwiseError as error:
        model.refused(type(error).__name__, str(error))
        return 1
    compute_in_one_thread()  # those libraries too that came with the model
    model.loaded(bundle.model_version, bundle.taxonomy_version, bundle.recall.encoder.name, bundle.release)
    statistics = _read(settings, model.knows_statistics) if WITH_STATISTICS in sys.argv else NoStatistics()
    _serve(ModelWork(settings, bundle, statistics), int(sys.argv[1]))
    # At once: the threads of libraries may be at work, and nothing is left to do in order.
    os._exit(0)


def compute_in_one_thread() -> None:
    """Let no library compute in several threads.

    To be called in the main thread, which computes; it goes for the libraries that are loaded by then. Left alone,
    BLAS shares the products of matrices of even a small batch among all cores, and its threads wait for one
    another by spinning: twice the CPU time, and later decisions.
    """
    threadpool_limits(1)


def _read(settings: Settings, caught_up: Callable[[], None]) -> Statistics:
    """Return a view of what was learned, ``caught_up`` when all was read; that it can be read no more ends us."""
    view = StatisticsView(settings)
    view.start()

    def follow() -> None:
        view.await_caught_up()
        if view.failure is None:
            caught_up()
        view.join()
        os._exit(1)

    Thread(target=follow, name="shelfwise-statistics-end", daemon=True).start()
    return view


def _serve(work: ModelWork, replies: int) -> None:
    with os.fdopen(replies, "wb") as output:
        for request in _requests():
            for reply in work.answer(request):
                output.write(framed_reply(reply))
                output.flush()


def _requests() -> Iterator[Request]:
    # Not by sys.stdin, whose lock Python would wait for in vain at its end, and abort.
    with os.fdopen(_INPUT, "rb", closefd=False) as requests:
        while frame := requests.read(LENGTH_BYTES):
            length = int.from_bytes(frame, "big")
            if len(value := requests.read(length)) < length:
                return  # the worker was killed within a request
            yield decode_request(value)


if __name__ == "__main__":
    sys.exit(main())
