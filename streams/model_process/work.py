"""Answer requests in the model process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from time import perf_counter

import numpy as np

from schemas.events.batch import CandidateBatch
from streams.learned.verdicts import LearnedVerdicts
from streams.model_process.decisions import Decisions
from streams.model_process.messages import (
    Decided,
    Failed,
    Ranked,
    RankRequest,
    Recalled,
    RecallRequest,
    Reply,
    Request,
    Undecided,
    decode_request,
    framed_reply,
    number_of,
)
from streams.settings import Settings
from workers.bundle.bundle import Bundle
from workers.recall.candidates import Candidates
from workers.recall.packing import check_categories, pack, unpack
from workers.statistics import Statistics

_log = logging.getLogger(__name__)


class ModelWork:
    """Answers requests one after the other, with a model and what was learned."""

    def __init__(
        self, settings: Settings, bundle: Bundle, statistics: Statistics, verdicts: LearnedVerdicts | None = None
    ) -> None:
        self._bundle = bundle
        self._statistics = statistics
        self._decisions = Decisions(settings, bundle, verdicts)

    def answer(self, value: bytes) -> Iterator[bytes]:
        """Yield one or two replies to the request in ``value``; the last one ends it.

        Raises only :class:`msgspec.MsgspecError`, if not even the request's number can be read.
        """
        try:
            for reply in self._replies(decode_request(value)):
                yield framed_reply(reply)
        except Exception as error:
            _log.exception("a request failed")
            yield framed_reply(Failed(number_of(value), f"{type(error).__name__}: {error}"))

    def _replies(self, request: Request) -> Iterator[Reply]:
        return self._recall(request) if isinstance(request, RecallRequest) else self._rank(request)

    def _recall(self, request: RecallRequest) -> Iterator[Reply]:
        candidates = Candidates.none()
        if request.products:
            candidates = self._bundle.recall.candidates(request.products, self._statistics)
        named = dict(zip(candidates.signals, candidates.proposed.sum(axis=0).tolist(), strict=True))
        packed = None if request.batches else pack(candidates)
        yield Recalled(request.number, named, np.diff(candidates.offsets).tolist(), packed)
        if request.batches:
            started = perf_counter()
            ranked = self._decisions.of(request.batches, candidates)
            yield Decided(request.number, [*ranked], perf_counter() - started)

    def _rank(self, request: RankRequest) -> Iterator[Reply]:
        started = perf_counter()
        found: list[Ranked | Undecided | None] = []
        good: list[tuple[CandidateBatch, Candidates]] = []
        for batch in request.batches:
            try:
                good.append((batch, self._candidates(batch)))
                found.append(None)
            except Exception as error:
                found.append(Undecided(f"{type(error).__name__}: {error}"))
        candidates = Candidates.concatenate([candidates for _, candidates in good]) if good else Candidates.none()
        ranked = iter(self._decisions.of([batch for batch, _ in good], candidates))
        outcomes = [next(ranked) if outcome is None else outcome for outcome in found]
        yield Decided(request.number, outcomes, perf_counter() - started)

    def _candidates(self, batch: CandidateBatch) -> Candidates:
        """Return the candidates of a batch; raises if they do not fit its products."""
        candidates = unpack(batch.candidates)
        check_categories(candidates, len(self._bundle.taxonomy))
        stay = sum(not product.removed for product in batch.products)
        if stay != len(candidates):
            raise ValueError(f"candidates of {len(candidates)} of {stay} products")
        return candidates
