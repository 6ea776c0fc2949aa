"""The demo's model: fitted once for each catalogue, options and version of the code."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Final

import workers
from schemas.bundle import MANIFEST
from schemas.errors import InvalidBundle
from streams.demo.catalogue import Catalogue
from workers.bundle.files import verify
from workers.fit.fit import FitOptions, fit
from workers.fit.labels import label_products
from workers.progress import Progress

_FOLDS: Final = 3


def fitted(catalogue: Catalogue, directory: Path, progress: Progress) -> tuple[Path, bool]:
    """Return the directory of the bundle, and whether it already existed."""
    bundle = directory / f"bundle-{_key(catalogue)}"
    if (bundle / MANIFEST).is_file():
        try:
            verify(bundle)
        except InvalidBundle:
            progress("the kept model is damaged: fitting anew", 0, 1)
        else:
            return bundle, True
    # Labels that the tree lacks must not stop the demo of the other products.
    labelled = label_products(catalogue.training, catalogue.taxonomy, skip_unknown=True)
    fit(labelled, catalogue.taxonomy, bundle, FitOptions(folds=_FOLDS), progress)
    return bundle, False


def _key(catalogue: Catalogue) -> str:
    digest = hashlib.sha256(
        f"{catalogue.digest} {len(catalogue.training)} {_FOLDS} {version('shelfwise')}".encode()
    )
    # In a source tree the code may change without a new version.
    for file in sorted(Path(workers.__path__[0]).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
