"""The interface of text encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Turns texts into vectors; the same text always gives the same vector, bit for bit, in every batch."""

    @property
    def name(self) -> str:
        """The encoder's name, as shown in the manifest and the logs."""

    @property
    def dimensions(self) -> int:
        """The length d of a vector."""

    @property
    def is_cheap(self) -> bool:
        """Whether it is fast enough to encode several texts per product, including the description."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 vectors of shape (len(texts), d) with L2 norm 1; an unknown text gives zeros."""

    def save(self, directory: Path) -> None:
        """Write the encoder's files into ``directory``, which must exist and be empty."""
