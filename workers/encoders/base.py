"""What every text encoder offers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Turns texts into vectors; the same text gives the same vector, bit for bit, whatever its batch."""

    @property
    def name(self) -> str:
        """The encoder's name, as the manifest and the logs show it."""

    @property
    def dimensions(self) -> int:
        """The length d of a vector."""

    @property
    def is_cheap(self) -> bool:
        """Whether several texts of a product may be encoded, its description among them."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 vectors of shape (len(texts), d) with L2 norm 1; an unknown text gives zeros."""

    def save(self, directory: Path) -> None:
        """Write the encoder's files into ``directory``, which exists and is empty."""
