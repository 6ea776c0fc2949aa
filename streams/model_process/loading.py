"""Load a model, in its own process."""

from __future__ import annotations

from typing import Final

from schemas.errors import InvalidBundle
from schemas.events.product import Product
from streams.settings import Settings
from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.release import Admission
from workers.garbage import exempt_from_collection
from workers.statistics import NoStatistics

_WARMING_PRODUCTS: Final = 64


def load(settings: Settings) -> Bundle:
    """Load the bundle that the settings name; raises what :func:`workers.bundle.bundle.load_bundle` raises.

    If the path is a link, it is resolved once, so that switching it meanwhile does not mix two bundles.
    """
    # Otherwise the garbage collector would scan the model again and again, and stop all threads for 70 ms each
    # time.
    with exempt_from_collection():
        bundle = load_bundle(
            settings.bundle.resolve(), Admission(settings.force_rejected_bundle, settings.require_gate)
        )
        _warm_up(bundle)
    return bundle


def _warm_up(bundle: Bundle) -> None:
    """Decide a few products, so that what is created at first use is not created under load.

    Raises :class:`InvalidBundle` if the model cannot decide.
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
