"""Save a fitted model as a bundle, and load it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas.bundle import Manifest
from schemas.errors import InvalidBundle
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.bundle import files
from workers.bundle.destination import whole_directory
from workers.bundle.ranking_files import load_ranking, save_ranking
from workers.bundle.recall_files import load_recall, save_recall
from workers.bundle.release import Admission, Release, admit
from workers.bundle.taxonomy_file import TAXONOMY
from workers.bundle.training import TrainingFingerprint
from workers.ranking.ranking import Ranking
from workers.recall.recall import Recall
from workers.statistics import NoStatistics

METRICS: Final = "metrics.json"
_TO_DECIDE: Final = Admission()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model, ready to classify."""

    directory: Path
    manifest: Manifest
    taxonomy: Taxonomy
    recall: Recall
    ranking: Ranking
    release: Release

    @property
    def model_version(self) -> str:
        """The version that decisions carry."""
        return self.manifest.model_version

    @property
    def taxonomy_version(self) -> str:
        """The version of the tree that decisions carry."""
        return self.taxonomy.version


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a model was fitted: its metrics, and its products (saved only as hashes, for the gate to find leaks)."""

    metrics: Mapping[str, Any]
    training: Sequence[Product]


def save_bundle(
    directory: Path,
    recall: Recall,
    ranking: Ranking,
    provenance: Provenance,
) -> Manifest:
    """Write a bundle; it appears under its name only when it is whole, and loads.

    Raises :class:`InvalidBundle` where it cannot be written.
    """
    try:
        return _save(directory, recall, ranking, provenance)
    except InvalidBundle:
        raise
    except Exception as error:  # whatever the libraries that write the files make of a full disk
        raise InvalidBundle(
            f"bundle {directory} cannot be written: {type(error).__name__}: {error}; make room, or name another"
            " directory"
        ) from error


def _save(directory: Path, recall: Recall, ranking: Ranking, provenance: Provenance) -> Manifest:
    taxonomy = ranking.taxonomy
    with whole_directory(directory) as made:
        (made / TAXONOMY).write_bytes(taxonomy.to_json_bytes())
        save_recall(made, recall)
        save_ranking(made, ranking)
        files.write_json(made / METRICS, dict(provenance.metrics))
        TrainingFingerprint.of(provenance.training).save(made)
        description = files.Description(
            taxonomy_name=taxonomy.name,
            taxonomy_version=taxonomy.version,
            encoder=recall.encoder.name,
            cascade_encoder=recall.cascade.encoder.name if recall.cascade else None,
            signals=tuple(signal.name for signal in recall.signals),
        )
        manifest = files.write_manifest(made, description)
        load_bundle(made)
    return manifest


def load_bundle(directory: Path, admission: Admission = _TO_DECIDE) -> Bundle:
    """Check and load a bundle.

    Raises :class:`InvalidBundle`, naming the file at fault, or :class:`schemas.errors.RejectedBundle` if the gate
    rejected the bundle and ``admission`` does not force it.
    """
    manifest = files.verify(directory)
    release = admit(directory, manifest, admission)
    try:
        bundle = _load(directory, manifest, release)
    except InvalidBundle:
        raise
    except Exception as error:  # whatever the libraries raise when a file holds the wrong bytes
        raise InvalidBundle(
            f"bundle {directory}: {type(error).__name__}: {error}; make it anew with `shelfwise fit`"
        ) from error
    # What was checked and admitted above must be what was read.
    if files.read_manifest(directory).files != manifest.files:
        raise InvalidBundle(f"bundle {directory} was replaced while it was being loaded; load it again")
    return bundle


def _load(directory: Path, manifest: Manifest, release: Release) -> Bundle:
    taxonomy = Taxonomy.from_json_bytes((directory / TAXONOMY).read_bytes())
    with_cascade = manifest.cascade_encoder is not None
    recall = load_recall(directory, taxonomy, manifest.signals, cascade=with_cascade)
    ranking = load_ranking(directory, taxonomy, recall.candidates([], NoStatistics()))
    return Bundle(directory, manifest, taxonomy, recall, ranking, release)
