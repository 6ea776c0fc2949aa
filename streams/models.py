"""The model that decides, and those beside it while one takes the place of another."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from schemas.errors import InvalidBundle, ShelfwiseError
from schemas.events.product import Product
from streams.metrics import Metrics
from streams.settings import Settings
from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.files import read_manifest
from workers.bundle.release import Admission
from workers.garbage import made_to_stay
from workers.statistics import NoStatistics

_WARMING_PRODUCTS: Final = 64
_LOADING_NICENESS: Final = 10
_log = logging.getLogger(__name__)


class Models:
    """The bundles that a worker has loaded.

    Recall works with the current one, and ranking with the one that found the candidates.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._current = bundle
        self._loaded = {bundle.model_version: bundle}

    @property
    def current(self) -> Bundle:
        """The one that recall works with."""
        return self._current

    def of(self, model_version: str) -> Bundle | None:
        """Return the bundle of this version, if it is loaded."""
        return self._loaded.get(model_version)

    def add(self, bundle: Bundle) -> None:
        """Let ranking decide with it too."""
        self._loaded[bundle.model_version] = bundle

    def turn_to(self, bundle: Bundle) -> None:
        """Let recall work with it."""
        self.add(bundle)
        self._current = bundle

    def forget_others(self) -> None:
        """Keep the current one alone."""
        self._loaded = {self._current.model_version: self._current}


def load_at_start(settings: Settings) -> Bundle:
    """Load the bundle that the settings name; raises as :func:`workers.bundle.bundle.load_bundle` does.

    A link that is turned to another bundle meanwhile is followed once.
    """
    return _load(settings, Admission(settings.force_rejected_bundle, settings.require_gate))


def load_later(settings: Settings, current: Bundle) -> Bundle:
    """Load another bundle than at the start: whoever forced that one has not seen this one.

    What is alike in the ``current`` one is shared: so its words are not learned anew under load.
    """
    return _load(settings, Admission(require_gate=settings.require_gate), current)


def _load(settings: Settings, admission: Admission, current: Bundle | None = None) -> Bundle:
    # A collector that goes through it again and again stops all threads for 70 ms each time.
    with made_to_stay():
        bundle = load_bundle(settings.bundle.resolve(), admission, current)
        _warm_up(bundle)
    return bundle


def _warm_up(bundle: Bundle) -> None:
    """Decide something: what is made when it is first needed shall not be made under load.

    Raises :class:`InvalidBundle` where the model cannot decide.
    """
    names = bundle.taxonomy.names[:_WARMING_PRODUCTS]
    products = [Product(product_id=str(number), title=name) for number, name in enumerate(names)]
    try:
        bundle.ranking.decide(bundle.recall.candidates(products, NoStatistics()))
    except Exception as error:
        raise InvalidBundle(
            f"bundle {bundle.directory} cannot decide: {type(error).__name__}: {error}; make it anew with"
            " `shelfwise fit`"
        ) from error


def show(bundle: Bundle, metrics: Metrics) -> None:
    """Tell metrics and log which model decides."""
    metrics.model_loaded(bundle.model_version, bundle.taxonomy_version, bundle.recall.encoder.name, bundle.release)
    _log.info("model %s, gate: %s, taxonomy %s", bundle.model_version, bundle.release, bundle.taxonomy_version)


class ModelWatch:
    """Looks whether another bundle lies where the worker's came from, and lets it decide.

    Ranking knows it as soon as it is loaded; recall turns to it ``bundle_overlap_seconds`` later, when all other
    workers have found it too, whichever of them its candidates come to. The model before is known as long again.
    One that cannot be loaded, or that the gate is against, changes nothing.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models,
        metrics: Metrics,
        load: Callable[[Settings, Bundle], Bundle] = load_later,
    ) -> None:
        self._settings = settings
        self._models = models
        self._metrics = metrics
        self._load = load
        self._told = ""

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.bundle_poll_seconds)
            try:
                await self.look()
            except Exception:
                _log.exception("the bundle in %s cannot be looked at", self._settings.bundle)

    async def look(self) -> None:
        """Look once; returns when the new model, if there is one, has taken the place of the old."""
        loop = asyncio.get_running_loop()
        try:
            manifest = await loop.run_in_executor(None, read_manifest, self._settings.bundle)
            if manifest.model_version == self._models.current.model_version:
                return
            bundle = await self._load_beside_the_work()
        except ShelfwiseError as error:
            self._tell(f"{error}; model {self._models.current.model_version} goes on")
            return
        overlap = self._settings.bundle_overlap_seconds
        self._models.add(bundle)
        _log.info("model %s is loaded, and decides in %.0f s", bundle.model_version, overlap)
        await asyncio.sleep(overlap)
        self._models.turn_to(bundle)
        show(bundle, self._metrics)
        await asyncio.sleep(overlap)
        self._models.forget_others()

    async def _load_beside_the_work(self) -> Bundle:
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(1, "shelfwise-model", initializer=_step_back)
        try:
            return await loop.run_in_executor(pool, self._load, self._settings, self._models.current)
        finally:
            pool.shutdown(wait=False)

    def _tell(self, problem: str) -> None:
        """Log a problem once, however often it is met."""
        if problem != self._told:
            self._told = problem
            _log.error("%s", problem)


def _step_back() -> None:
    """Let this thread have what others leave of the CPU: half a second of loading held decisions up as long.

    Only on Linux niceness is of a thread alone, nice(2).
    """
    if sys.platform == "linux":
        # Added to its own: to be less nice than a worker that steps back itself is not allowed.
        os.nice(_LOADING_NICENESS)
