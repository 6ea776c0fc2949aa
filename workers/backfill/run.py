"""Use all cores for one file: each process loads the model and receives chunks."""

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

# For each process: one chunk in work, one waiting.
_CHUNKS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What every process needs: a bundle that was already admitted, the file's name, and the output format.

    The name is spelled as decisions hold it.
    """

    bundle: Path
    source: str
    form: Form


def chunks_after(last: Last, source: ProductFile, model_version: str, size: int) -> Iterator[Chunk]:
    """Return the products that come after the last decision of an output.

    Raises :class:`InvalidFile`, before the first chunk is requested, if that decision is about another file, was
    made by another model, or is about another product than the one on that line of the file.
    """
    name, begun_as, line = printable(source.name), last.source.topic, last.source.offset
    if Path(begun_as).resolve() != Path(name).resolve():
        raise InvalidFile(f"the output holds decisions on {begun_as}, not on {name}; name another output")
    if last.model_version != model_version:
        raise InvalidFile(
            f"the output was begun with model {last.model_version}, and this is {model_version};"
            " name another output, or the bundle that it was begun with"
        )
    # Standard input can be read only once, so the last decided product is checked on the way to the next one.
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
    """Decides chunks in one thread; each process has one."""

    def __init__(self, job: Job) -> None:
        self._bundle = load_for_good(job.bundle, EVALUATION)
        self._source = job.source
        self._encode = ENCODERS[job.form]

    def decide(self, chunk: Chunk) -> DecidedChunk:
        """Return the decisions on a chunk, in its order."""
        products = ((item.product, SourcePosition(self._source, 0, item.line)) for item in chunk.unpack())
        outcomes: Counter[str] = Counter()

        def counted() -> Iterator[Decision]:
            for decision in classify(self._bundle, products):
                outcomes[outcome_of(decision)] += 1
                yield decision

        return DecidedChunk(self._encode(counted()), outcomes, chunk.bytes_read)


class _Process:
    """The state of one process of the pool."""

    classifier: Classifier


def _start(job: Job) -> None:
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    _Process.classifier = Classifier(job)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Make processes started here ignore Ctrl-C from the very beginning, because their parent handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_with_parent() -> None:
    # If the parent is killed, the pool is not told, and its processes would wait for chunks forever.
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _decide(chunk: Chunk) -> DecidedChunk:
    return _Process.classifier.decide(chunk)


def decide_all(job: Job, chunks: Iterable[Chunk], processes: int) -> Iterator[DecidedChunk]:
    """Yield the decisions on each chunk, in order.

    Raises what ``chunks`` raises, after the decisions on everything before it, and :class:`ShelfwiseError` if a
    process dies.
    """
    if processes == 1:
        classifier = Classifier(job)
        yield from map(classifier.decide, chunks)
        return
    # A forked process would inherit locks held by threads that it does not have.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _start, (job,)) as pool:
        under_way: deque[Future[DecidedChunk]] = deque()
        try:
            # Start all processes now: the pool waits forever for one that it starts while another one dies.
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
