"""A small real model, fitted once for all tests that need one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from schemas.events.product import Product
from workers.fit.fit import FitOptions, fit
from workers.fit.labels import label_products
from workers.product_files import LabelledProduct
from workers.sample import generate_catalogue, sample_taxonomy

FITTED = 1_500


def sample_products(seed: int, count: int) -> list[LabelledProduct]:
    """Return products of the sample catalogue; another seed gives other products of the same brands and shops."""
    rows = []
    for line, row in enumerate(generate_catalogue(seed, count), start=1):
        path = row["category_path"]
        rows.append(LabelledProduct(msgspec.convert(row, Product), tuple(path) if path else None, None, line))
    return rows


def fit_sample(directory: Path, seed: int = 7) -> Path:
    """Fit a bundle on 1,500 products, which takes about ten seconds."""
    taxonomy = sample_taxonomy()
    labelled = label_products(sample_products(seed, FITTED), taxonomy)
    fit(labelled, taxonomy, directory / "bundle", FitOptions(folds=3))
    return directory / "bundle"
