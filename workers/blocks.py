"""Matrix work in blocks of one fixed height, so that a product's numbers never depend on its batch.

BLAS picks its kernels by the shape of the matrices, and kernels round differently. Every product of matrices
here has the same number of rows, short batches are filled with zeros, so equal rows give equal bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROWS: Final = 32


def blocks(vectors: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield (rows of ``vectors``, a C-contiguous float32 block of shape (32, d), zero-filled)."""
    for start in range(0, len(vectors), ROWS):
        rows = slice(start, min(start + ROWS, len(vectors)))
        block = np.zeros((ROWS, vectors.shape[1]), np.float32)
        block[: rows.stop - rows.start] = vectors[rows]
        yield rows, block
