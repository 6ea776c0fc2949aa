"""Results on disk: figures as JSON, and the results of each test product as arrays next to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Run:
    """Identifies a result."""

    dataset: str
    split: str
    seed: int
    method: str

    def file(self, out: Path) -> Path:
        """Return the JSON file of its figures."""
        return out / "results" / self.dataset / f"{self.split}-{self.seed}" / f"{self.method}.json"


@dataclass(frozen=True, slots=True)
class PerProduct:
    """A method's results for n test products; categories are node indices.

    Attributes:
        labels: int32 (n,), the right category.
        ranked: int32 (n, 5), the likeliest categories, -1 where there are fewer.
        confidence: float64 (n,), the confidence that the first category is right.
        assigned: bool (n,), whether the confidence reaches the threshold that kept 95 % precision out of fold.
    """

    labels: NDArray[np.int32]
    ranked: NDArray[np.int32]
    confidence: NDArray[np.float64]
    assigned: NDArray[np.bool_]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the likeliest category is the label, bool (n,)."""
        return self.ranked[:, 0] == self.labels


def digest(dependencies: Mapping[str, Any]) -> str:
    """Return the digest of everything that a result depends on."""
    return hashlib.sha256(orjson.dumps(dependencies, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()[:16]


@cache
def file_digest(file: Path) -> str:
    """Return the digest of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a ``.npz`` file, completely or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial.npz")
    np.savez_compressed(partial, allow_pickle=False, **arrays)
    partial.replace(file)


def load_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Read what :func:`save_arrays` wrote."""
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def save(out: Path, run: Run, figures: Mapping[str, Any], products: PerProduct) -> None:
    """Store a result; the figures are written last, so that a result with figures is complete."""
    file = run.file(out)
    save_arrays(
        file.with_suffix(".npz"),
        {name: getattr(products, name) for name in ("labels", "ranked", "confidence", "assigned")},
    )
    file.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))


def load_figures(out: Path, run: Run) -> dict[str, Any] | None:
    """Return the stored figures, or ``None``."""
    file = run.file(out)
    return orjson.loads(file.read_bytes()) if file.exists() else None


def load_products(out: Path, run: Run) -> PerProduct:
    """Return the stored results of each product."""
    return PerProduct(**load_arrays(run.file(out).with_suffix(".npz")))


def stored(out: Path) -> Iterator[Run]:
    """Yield every stored result, in order of its name."""
    for file in sorted((out / "results").glob("*/*/*.json")):
        split, _, seed = file.parent.name.rpartition("-")
        yield Run(file.parent.parent.name, split, int(seed), file.stem)
