"""Train a vector for each n-gram and a softmax classifier on the sum of a product's vectors.

Training is stochastic gradient descent on the cross entropy with AdaGrad (Duchi et al., 2011). Each weight has its
own step size; each n-gram's vector has one as a whole, because most n-grams are rare. In each step, half of a
product's n-grams are dropped (dropout, Srivastava et al., 2014), so that a rare n-gram does not decide alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import softmax

# Chosen on a fifth of the training sets of flipkart and bigbasket: 64 to 96 dimensions and 8 to 20 epochs gave
# similar results, and so did step sizes within a factor of three.
_DIMENSIONS: Final = 64
_EPOCHS: Final = 8
_BATCH: Final = 128
_DROPPED: Final = 0.5
_VECTOR_STEP: Final = 0.3
_WEIGHT_STEP: Final = 0.1
_SPREAD: Final = np.float32(0.1)
_TINY: Final = np.float32(1e-8)
_SEED: Final = 0


class NgramSoftmax(NamedTuple):
    """A softmax model: the posterior of category j is proportional to exp(sum @ weights[j] + intercepts[j]).

    ``sum`` is the weighted sum of the vectors of a product's n-grams. ``vectors``, float16 (F, d), are those of
    the n-grams; ``weights`` is float32 (c, d) and ``intercepts`` float32 (c,).
    """

    vectors: NDArray[np.float16]
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]


def fit_softmax(features: sparse.csr_matrix, classes: NDArray[np.intp], categories: int) -> NgramSoftmax:
    """Fit the model to n products, float32 CSR (n, F), whose ``classes`` are intp (n,), from 0 up.

    ``categories`` is the number of classes. With fewer than two there is nothing to learn, and all parameters are
    zero.
    """
    count, width = features.shape
    if categories < 2:
        nothing = np.zeros((categories, 1), np.float32)
        return NgramSoftmax(np.zeros((width, 1), np.float16), nothing, nothing[:, 0])
    random = np.random.default_rng(_SEED)
    training = _Training(random, width, categories)
    steps = _EPOCHS * -(-count // _BATCH)
    for step, rows in enumerate(_batches(random, count)):
        training.step(_thinned(random, features[rows]), classes[rows], 1 - step / steps)
    weights = training.weights
    return NgramSoftmax(training.vectors.astype(np.float16), np.ascontiguousarray(weights[:-1].T), weights[-1])


def _batches(random: np.random.Generator, count: int) -> Iterator[NDArray[np.intp]]:
    for _ in range(_EPOCHS):
        order = random.permutation(count)
        yield from (order[first : first + _BATCH] for first in range(0, count, _BATCH))


def _thinned(random: np.random.Generator, rows: sparse.csr_matrix) -> sparse.csr_matrix:
    kept = random.random(len(rows.data), np.float32) >= _DROPPED
    values = rows.data * (kept / np.float32(1 - _DROPPED))
    return sparse.csr_matrix((values, rows.indices, rows.indptr), shape=rows.shape)


class _Training:
    """The parameters in training; ``weights`` is float32 (d + 1, c), its last row the intercepts."""

    def __init__(self, random: np.random.Generator, features: int, categories: int) -> None:
        self.vectors = random.standard_normal((features, _DIMENSIONS), np.float32) * _SPREAD
        # Starting at zero, categories with few products keep small weights, without random noise.
        self.weights = np.zeros((_DIMENSIONS + 1, categories), np.float32)
        self._squares_of_vectors = np.zeros((features, 1), np.float32)
        self._squares_of_weights = np.zeros_like(self.weights)

    def step(self, rows: sparse.csr_matrix, classes: NDArray[np.intp], share: float) -> None:
        """Take a gradient step on some products; ``share`` scales the step sizes."""
        used, columns = np.unique(rows.indices, return_inverse=True)
        rows = sparse.csr_matrix((rows.data, columns, rows.indptr), shape=(rows.shape[0], len(used)))
        sums = rows @ self.vectors[used]
        gradient = softmax(sums @ self.weights[:-1] + self.weights[-1], axis=1)
        gradient[np.arange(len(classes)), classes] -= 1
        gradient /= np.float32(len(classes))
        of_vectors = rows.T @ (gradient @ self.weights[:-1].T)
        of_weights = np.vstack([sums.T @ gradient, gradient.sum(axis=0)])
        self._squares_of_weights += of_weights**2
        size = np.sqrt(self._squares_of_weights) + _TINY
        self.weights -= np.float32(_WEIGHT_STEP * share) * of_weights / size
        self._squares_of_vectors[used] += (of_vectors**2).mean(axis=1, keepdims=True)
        size = np.sqrt(self._squares_of_vectors[used]) + _TINY
        self.vectors[used] -= np.float32(_VECTOR_STEP * share) * of_vectors / size
