"""All cores on one file: each process has the model, and gets chunks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from schemas.errors import InvalidFile, InvalidProducts, ShelfwiseError
from schemas.events.decision import Decision, outcome_of
from schemas.events.position import SourcePosition
from workers.backfill.chunks import Chunk, DecidedChunk, chunks_of
from workers.backfill.forms import ENCODERS, Form
from workers.backfill.outputs import Last
from workers.bundle.for_good import load_for_good
from workers.bundle.release import EVALUATION
from workers.classify import classify
from workers.printable import printable
from workers.product_files import ProductFile

# Of each process: one in work, one waiting.
_CHUNKS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What is decided by: a bundle that is admitted already, the file's name, and how decisions are written.

    The name is as decisions hold it.
    """

    bundle: Path
    source: str
    form: Form


def chunks_after(last: Last, source: ProductFile, model_version: str, size: int) -> Iterator[Chunk]:
    """Return the products that come after the last decision of an output.

    Raises :class:`InvalidFile`, before any is asked for, where the decision is of another file or model, or on
    another product than the file has there.
    """
    name, begun_as, line = printable(source.name), last.source.topic, last.source.offset
    if Path(begun_as).resolve() != Path(name).resolve():
        raise InvalidFile(f"the output holds decisions on {begun_as}, not on {name}; name another output")
    if last.model_version != model_version:
        raise InvalidFile(
            f"the output was begun with model {last.model_version}, and this is {model_version};"
            " name another output, or the bundle that it was begun with"
        )
    # Standard input is read but once, so the last decided product is looked at on the way to the next.
    chunks = chunks_of(source, line - 1, size)
    first = next(chunks, Chunk.of([], 0))
    items = first.unpack()
    if not items or (items[0].line, items[0].product.product_id) != (line, last.product_id):
        found = f"product {items[0].product.product_id!r}" if items and items[0].line == line else "no product"
        raise InvalidFile(
            f"{name} has {found} on line {line}, where the output's last decision is on {last.product_id!r}; where"
            " the file has changed, delete the output and begin anew without --resume, or name another output"
        )
    rest = [Chunk.of(items[1:], first.bytes_read)] if items[1:] else []
    return chain(rest, chunks)


class Classifier:
    """Decides chunks, in one thread: for each process one."""

    def __init__(self, job: Job) -> None:
        self._bundle = load_for_good(job.bundle, EVALUATION)
        self._source = job.source
        self._encode = ENCODERS[job.form]

    def decide(self, chunk: Chunk) -> DecidedChunk:
        """Return the decisions of a chunk, in its order."""
        products = ((item.product, SourcePosition(self._source, 0, item.line)) for item in chunk.unpack())
        outcomes: Counter[str] = Counter()

        def counted() -> Iterator[Decision]:
            for decision in classify(self._bundle, products):
                outcomes[outcome_of(decision)] += 1
                yield decision

        return DecidedChunk(self._encode(counted()), outcomes, chunk.bytes_read)


class _Process:
    """What a process of the pool keeps."""

    classifier: Classifier


def _start(job: Job) -> None:
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    _Process.classifier = Classifier(job)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let processes that are started ignore Ctrl-C from their first moment on: it is the parent's to handle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_with_parent() -> None:
    # A parent that is killed tells the pool nothing, and its processes would wait for chunks without end.
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _decide(chunk: Chunk) -> DecidedChunk:
    return _Process.classifier.decide(chunk)


def decide_all(job: Job, chunks: Iterable[Chunk], processes: int) -> Iterator[DecidedChunk]:
    """Yield the decisions of each chunk, in their order.

    Raises what ``chunks`` raise, after the decisions of all before, and :class:`ShelfwiseError` where a process
    died.
    """
    if processes == 1:
        classifier = Classifier(job)
        yield from map(classifier.decide, chunks)
        return
    # A fork would inherit the locks of threads that it does not have.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _start, (job,)) as pool:
        under_way: deque[Future[DecidedChunk]] = deque()
        try:
            # All of them now: the pool waits without end for a process that it starts while another one dies.
            with _interrupts_ignored():
                for _ in range(processes):
                    pool.submit(os.getpid)
            problem: InvalidProducts | None = None
            try:
                for chunk in chunks:
                    under_way.append(pool.submit(_decide, chunk))
                    if len(under_way) > processes * _CHUNKS_AHEAD:
                        yield under_way.popleft().result()
            except InvalidProducts as error:
                problem = error
            while under_way:
                yield under_way.popleft().result()
            if problem is not None:
                raise problem
        except BrokenProcessPool:
            raise ShelfwiseError(
                "a process ended while it worked, perhaps for lack of memory; give fewer with --processes"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
