"""Signal: how likely a product's price is in a category. It proposes nothing and only scores others' candidates.

The logarithms of a category's prices are modelled as normal. Their mean and variance are shrunk towards those of
all products, the more so the fewer products of the category have a price. Source: empirical Bayes, Casella (1985),
"An introduction to empirical Bayes data analysis".
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

# The prior (the prices of all products) counts as much as this many products of a category.
_PRIOR_PRODUCTS: Final = 4.0
_LEAST_VARIANCE: Final = 0.01
# A currency with fewer prices says nothing; with more currencies, a large tree would take hundreds of megabytes.
_FEWEST_PRICES: Final = 100
_MOST_CURRENCIES: Final = 16
# Scores are clipped to this: prices further off are errors in the feed.
_LARGEST: Final = np.float32(6)
# The column for all products together.
_ALL: Final = -1


class _Prices(NamedTuple):
    """The log prices of n products, float32 (n,), NaN if unknown, and the rows of their currencies, int64 (n,)."""

    logarithms: NDArray[np.float32]
    rows: NDArray[np.int64]


class PriceScores(ProposesNothing):
    """The log ratio of a price's likelihood in a category to that among all products, clipped to [-6, 6].

    It proposes nothing, because many categories have products at any price.
    """

    def __init__(self, signal: Price, prices: _Prices) -> None:
        """``signal`` computes the score of each pair when it is asked for."""
        self.context = signal.relative(prices)[:, None]
        self._signal = signal
        self._prices = prices
        self._anywhere = signal.likelihood(prices, _ALL)

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each pair, NaN if the product or the category has no price in that currency."""
        asked = _Prices(self._prices.logarithms[products], self._prices.rows[products])
        score = self._signal.likelihood(asked, categories) - self._anywhere[products]
        return np.clip(score, -_LARGEST, _LARGEST)


class Price:
    """Knows the distribution of each category's prices in each of the most common currencies.

    A product without a currency is compared with other products without one.
    """

    name = "price"
    context_names: tuple[str, ...] = ("price_relative",)

    def __init__(
        self, currencies: Sequence[str], means: NDArray[np.float32], variances: NDArray[np.float32]
    ) -> None:
        """``means`` and ``variances`` of the log prices are float32 (currencies + 1, nodes + 1).

        The last column is for all products together. The last row is for all other currencies, for which nothing
        is known: it is NaN.
        """
        self._rows = {currency: row for row, currency in enumerate(currencies)}
        self._means = means
        self._variances = variances

    def score(self, batch: Batch) -> PriceScores:
        """Score every category that has products with a price."""
        return PriceScores(self, self._read(batch.products))

    def relative(self, prices: _Prices) -> NDArray[np.float32]:
        """Return how many standard deviations each price lies above the mean of all products, float32 (n,)."""
        deviation = np.sqrt(self._variances[prices.rows, _ALL])
        return (prices.logarithms - self._means[prices.rows, _ALL]) / deviation

    def likelihood(self, prices: _Prices, categories: NDArray[np.int32] | int) -> NDArray[np.float32]:
        """Return the log-likelihood of each of m prices in its category, up to a constant: float32 (m,).

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
        """Fit the distributions on the products that have a price."""
        products, nodes = training.batch.products, len(training.taxonomy)
        counts = Counter(product.currency or "" for product in products if product.price)
        common = [name for name, count in counts.most_common(_MOST_CURRENCIES) if count >= _FEWEST_PRICES]
        spreads = [_spread(products, training.labels, currency, nodes) for currency in common]
        unknown = np.full(nodes + 1, np.nan)
        means, variances = zip(*spreads, (unknown, unknown), strict=True)
        return cls(common, np.stack(means).astype(np.float32), np.stack(variances).astype(np.float32))

    def state(self) -> SignalState:
        """Return the means, the variances and the names of the currencies."""
        arrays = {"means": self._means, "variances": self._variances}
        return SignalState(arrays, {"currencies": list(self._rows)})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:  # noqa: ARG003
        """Restore the signal from its state."""
        return cls(state.meta["currencies"], state.arrays["means"], state.arrays["variances"])


def _spread(
    products: Sequence[Product], labels: NDArray[np.int32], currency: str, nodes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and variance of the log prices of each category and, last, of all: float64 (nodes + 1,)."""
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
