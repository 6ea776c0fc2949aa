"""Signal: how likely a product's price is in a category. It proposes none, and tells apart what others propose.

The logarithms of a category's prices are taken to be normal, and mean and variance are drawn towards those of all
products, the more the fewer products of the category have a price. Source: empirical Bayes, Casella (1985), "An
introduction to empirical Bayes data analysis".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.recall.batch import Batch
from workers.signals.base import Reference, SignalState, TrainingSet
from workers.signals.scores import ProposesNothing

# So many products of a category weigh as much as all others together.
_PRIOR_PRODUCTS: Final = 4.0
_LEAST_VARIANCE: Final = 0.01
# A currency with fewer prices tells nothing; with more currencies a large tree would take hundreds of megabytes.
_FEWEST_PRICES: Final = 100
_MOST_CURRENCIES: Final = 16
# Prices further off are slips of the feed.
_LARGEST: Final = np.float32(6)
# The column of all products.
_ALL: Final = -1


class _Prices(NamedTuple):
    """Of n products the logarithms, float32 (n,), NaN where unknown, and their currencies' rows, int64 (n,)."""

    logarithms: NDArray[np.float32]
    rows: NDArray[np.int64]


class PriceScores(ProposesNothing):
    """The logarithm of how much likelier a price is in a category than anywhere, at most 6 either way.

    Nothing is proposed: many a category has products of any price.
    """

    def __init__(self, signal: Price, prices: _Prices) -> None:
        """``signal`` is asked for each pair."""
        self.context = signal.relative(prices)[:, None]
        self._signal = signal
        self._prices = prices
        self._anywhere = signal.likelihood(prices, _ALL)

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each pair, NaN without a price, or without one of a product of the category."""
        asked = _Prices(self._prices.logarithms[products], self._prices.rows[products])
        score = self._signal.likelihood(asked, categories) - self._anywhere[products]
        return np.clip(score, -_LARGEST, _LARGEST)


class Price:
    """Knows how the prices of each category are spread, in each of the commonest currencies.

    A product that names no currency is compared with others that name none.
    """

    name = "price"
    context_names: tuple[str, ...] = ("price_relative",)

    def __init__(
        self, currencies: Sequence[str], means: NDArray[np.float32], variances: NDArray[np.float32]
    ) -> None:
        """``means`` and ``variances`` of logarithms are float32 (currencies + 1, nodes + 1).

        The last column is of all products, the last row of all other currencies, of which nothing is known: NaN.
        """
        self._rows = {currency: row for row, currency in enumerate(currencies)}
        self._means = means
        self._variances = variances

    def score(self, batch: Batch) -> PriceScores:
        """Score every category with a priced product."""
        return PriceScores(self, self._read(batch.products))

    def relative(self, prices: _Prices) -> NDArray[np.float32]:
        """Return by how many standard deviations prices are above the mean of all, float32 (n,)."""
        deviation = np.sqrt(self._variances[prices.rows, _ALL])
        return (prices.logarithms - self._means[prices.rows, _ALL]) / deviation

    def likelihood(self, prices: _Prices, categories: NDArray[np.int32] | int) -> NDArray[np.float32]:
        """Return the log-likelihood, but for a constant, of each of m prices in its category: float32 (m,).

        ``categories`` is int32 (m,), or -1 for all products together.
        """
        mean, variance = self._means[prices.rows, categories], self._variances[prices.rows, categories]
        return -(np.square(prices.logarithms - mean) / variance + np.log(variance)) / np.float32(2)

    def _read(self, products: Sequence[Product]) -> _Prices:
        prices = np.array([product.price or np.nan for product in products], np.float64)
        rows = [self._rows.get(product.currency or "", -1) for product in products]
        return _Prices(np.log(prices).astype(np.float32), np.array(rows, np.int64))

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:  # noqa: ARG003
        """Learn from the products that have a price."""
        products, nodes = training.batch.products, len(training.taxonomy)
        counts = Counter(product.currency or "" for product in products if product.price)
        common = [name for name, count in counts.most_common(_MOST_CURRENCIES) if count >= _FEWEST_PRICES]
        spreads = [_spread(products, training.labels, currency, nodes) for currency in common]
        unknown = np.full(nodes + 1, np.nan)
        means, variances = zip(*spreads, (unknown, unknown), strict=True)
        return cls(common, np.stack(means).astype(np.float32), np.stack(variances).astype(np.float32))

    def state(self) -> SignalState:
        """Return means, variances and the names of the currencies."""
        arrays = {"means": self._means, "variances": self._variances}
        return SignalState(arrays, {"currencies": list(self._rows)})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:  # noqa: ARG003
        """Make the signal again."""
        return cls(state.meta["currencies"], state.arrays["means"], state.arrays["variances"])


def _spread(
    products: Sequence[Product], labels: NDArray[np.int32], currency: str, nodes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of the logarithms of each category's prices, and of all: float64 (nodes + 1,)."""
    priced = [
        row for row, product in enumerate(products) if product.price and (product.currency or "") == currency
    ]
    logarithms = np.log([products[row].price or np.nan for row in priced])
    own = labels[priced]
    count = np.bincount(own, minlength=nodes)
    weight = count + _PRIOR_PRODUCTS
    mean_of_all, variance_of_all = logarithms.mean(), max(logarithms.var(), _LEAST_VARIANCE)
    mean = (np.bincount(own, logarithms, nodes) + _PRIOR_PRODUCTS * mean_of_all) / weight
    squares = np.bincount(own, (logarithms - mean[own]) ** 2, nodes)
    variance = np.maximum((squares + _PRIOR_PRODUCTS * variance_of_all) / weight, _LEAST_VARIANCE)
    mean[count == 0] = np.nan
    return np.append(mean, mean_of_all), np.append(variance, variance_of_all)
