"""Options of benchmarks that read a real catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from tests.benchmarks.quality.datasets import DATASETS

DIRECTORY: Final = click.Path(exists=True, file_okay=False, path_type=Path)
DATA: Final = click.option("--data", type=DIRECTORY, default="../shared/data", show_default=True)
DATASET: Final = click.option(
    "--dataset", type=click.Choice(list(DATASETS)), default="shopify_merchants", show_default=True
)
