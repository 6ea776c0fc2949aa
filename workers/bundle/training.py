"""What a bundle stores about the products that it was fitted on: enough to recognise them, not to read them.

The words of titles and whole identities are stored as 64-bit hashes: 8 bytes per word, at most 32 words per
product, and another 16 bytes per product. For 20,000 products that is at most 5.4 MB, or about 2 MB if titles have
ten words. In scripts without spaces, pairs of characters take the place of words. The hashes of common words can
be guessed with a dictionary, so protect a bundle as you protect the catalogue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from schemas.events.product import Product
from workers.near_duplicates import WordSets
from workers.text.tokens import identity

TRAINING: Final = "training.safetensors"
_MOST_WORDS: Final = 32


@dataclass(frozen=True, slots=True)
class TrainingFingerprint:
    """The hashes of n products.

    ``identities`` uint64 (n,) are hashes of title and brand; ``titles`` are the words of the titles.
    """

    identities: NDArray[np.uint64]
    titles: WordSets

    @classmethod
    def of(cls, products: Sequence[Product]) -> Self:
        """Hash the products; case, width, punctuation and spacing of title and brand make no difference."""
        identities = np.fromiter(map(_identity, products), np.uint64, len(products))
        return cls(identities, WordSets.of([product.title for product in products], _MOST_WORDS))

    def __len__(self) -> int:
        return len(self.identities)

    def save(self, directory: Path) -> None:
        """Write the fingerprint to a bundle's directory."""
        arrays = {"identities": self.identities, "bounds": self.titles.bounds, "words": self.titles.values}
        save_file(arrays, directory / TRAINING)

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """Read the fingerprint from a bundle's directory; ``None`` if the bundle was written without one."""
        if not (directory / TRAINING).is_file():
            return None
        arrays = load_file(directory / TRAINING)
        return cls(arrays["identities"], WordSets(arrays["bounds"], arrays["words"]))


def _identity(product: Product) -> int:
    text = "\0".join((*identity(product.title).split(), "", *identity(product.brand or "").split()))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
