"""Loading a model, in its process."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from schemas.errors import InvalidBundle
from schemas.events.product import Product
from streams.settings import Settings
from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.release import Admission
from workers.garbage import made_to_stay
from workers.statistics import NoStatistics

_WARMING_PRODUCTS: Final = 64
_NICENESS: Final = 10


def load(settings: Settings) -> Bundle:
    """Load the bundle that the settings name; raises as :func:`workers.bundle.bundle.load_bundle` does.

    A link that is turned to another bundle meanwhile is followed once.
    """
    # A collector that goes through it again and again stops all threads for 70 ms each time.
    with made_to_stay():
        bundle = load_bundle(
            settings.bundle.resolve(), Admission(settings.force_rejected_bundle, settings.require_gate)
        )
        _warm_up(bundle)
    return bundle


def load_beside_others(settings: Settings) -> Bundle:
    """Load it with what others leave of the CPU: half a second of loading held decisions up as long."""
    with ThreadPoolExecutor(1, "shelfwise-loading", initializer=_step_back) as pool:
        return pool.submit(load, settings).result()


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


def _step_back() -> None:
    """Let this thread have what others leave of the CPU; only on Linux niceness is of a thread alone, nice(2)."""
    if sys.platform == "linux":
        # Added to its own: to be less nice than a worker that steps back itself is not allowed.
        os.nice(_NICENESS)
