"""Save a fitted model as a bundle, and load it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from schemas.bundle import MANIFEST, Manifest
from schemas.errors import InvalidBundle
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.bundle import files
from workers.bundle.release import Admission, Release, admit
from workers.bundle.training import TrainingFingerprint
from workers.candidates import Candidates
from workers.cascade import Cascade
from workers.encoders.base import Encoder
from workers.encoders.load import load_encoder
from workers.examples import Examples
from workers.nearest import flat_index
from workers.ranking.calibration import Calibrator, CandidateProbabilities
from workers.ranking.features import FeatureBuilder, feature_names
from workers.ranking.policy import Policy
from workers.ranking.ranker import Ranker
from workers.ranking.ranking import Ranking
from workers.ranking.track_record import TrackRecord
from workers.recall import Recall
from workers.signals.base import Reference, Signal, SignalState
from workers.signals.registry import SENTENCE_SIGNALS, SIGNALS
from workers.statistics import NoStatistics
from workers.stored_arrays import require
from workers.text_features import TextFeatures

TAXONOMY: Final = "taxonomy.json"
ENCODER: Final = "encoder"
CATEGORY_INDEX: Final = "category_index.faiss"
EXAMPLES: Final = "examples"
TEXT_FEATURES: Final = "text_features"
SIGNAL_DIRECTORY: Final = "signals"
CASCADE: Final = "cascade"
CASCADE_OPTIONS: Final = "cascade.json"
TRACK_RECORD: Final = "track_record.safetensors"
CALIBRATION: Final = "calibration.json"
THRESHOLDS: Final = "thresholds.json"
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
    """How a model was fitted: figures, and the products, of which hashes are kept so that the gate finds leaks."""

    metrics: Mapping[str, Any]
    training: Sequence[Product]


def save_bundle(
    directory: Path,
    recall: Recall,
    ranking: Ranking,
    provenance: Provenance,
) -> Manifest:
    """Write a bundle; it appears under its name only when it is whole."""
    taxonomy = ranking.taxonomy
    with _whole_directory(directory) as made:
        (made / TAXONOMY).write_bytes(taxonomy.to_json_bytes())
        _save_signals(made, recall.encoder, recall.reference, recall.signals)
        (made / TEXT_FEATURES).mkdir()
        recall.reference.text_features.save(made / TEXT_FEATURES)
        if recall.cascade is not None:
            _save_cascade(made / CASCADE, recall.cascade)
        _save_ranking(made, ranking)
        _write_json(made / METRICS, dict(provenance.metrics))
        TrainingFingerprint.of(provenance.training).save(made)
        description = files.Description(
            taxonomy_name=taxonomy.name,
            taxonomy_version=taxonomy.version,
            encoder=recall.encoder.name,
            cascade_encoder=recall.cascade.encoder.name if recall.cascade else None,
            signals=tuple(signal.name for signal in recall.signals),
        )
        return files.write_manifest(made, description)


def load_bundle(directory: Path, admission: Admission = _TO_DECIDE, beside: Bundle | None = None) -> Bundle:
    """Check and load a bundle; tree and encoder are those of the one ``beside`` it where the files are the same.

    Raises :class:`InvalidBundle` that names the file at fault, and :class:`schemas.errors.RejectedBundle` where
    the gate's verdict is against it and ``admission`` does not force it.
    """
    manifest = files.verify(directory)
    release = admit(directory, manifest, admission)
    try:
        return _load(directory, manifest, release, beside)
    except InvalidBundle:
        raise
    except Exception as error:  # whatever the libraries that read the files make of wrong bytes
        raise InvalidBundle(
            f"bundle {directory}: {type(error).__name__}: {error}; make it anew with `shelfwise fit`"
        ) from error


def load_taxonomy(directory: Path) -> Taxonomy:
    """Check and load the tree of a bundle alone; raises :class:`InvalidBundle`."""
    manifest = files.read_manifest(directory)
    if TAXONOMY not in manifest.files:
        raise InvalidBundle(f"bundle {directory}: {TAXONOMY} is missing; make it anew with `shelfwise fit`")
    files.check(directory, TAXONOMY, manifest.files[TAXONOMY], "make it anew with `shelfwise fit`")
    return Taxonomy.from_json_bytes((directory / TAXONOMY).read_bytes())


def _load(directory: Path, manifest: Manifest, release: Release, beside: Bundle | None) -> Bundle:
    if beside is not None and _alike(manifest, beside.manifest, TAXONOMY):
        taxonomy = beside.taxonomy
    else:
        taxonomy = Taxonomy.from_json_bytes((directory / TAXONOMY).read_bytes())
    reference = Reference(
        taxonomy,
        _category_vectors(directory, len(taxonomy)),
        Examples.load(directory / EXAMPLES),
        TextFeatures.load(directory / TEXT_FEATURES),
    )
    known = {signal.name: signal for signal in SIGNALS}
    signals = [_load_signal(directory / SIGNAL_DIRECTORY, known[name], reference) for name in manifest.signals]
    encoder = _encoder(directory, manifest, beside, ENCODER)
    cascade = None
    if manifest.cascade_encoder is not None:
        cascade = _load_cascade(
            directory / CASCADE, _encoder(directory, manifest, beside, f"{CASCADE}/{ENCODER}"), reference
        )
    recall = Recall(encoder, signals, reference, cascade)
    ranking = _load_ranking(directory, taxonomy, recall.candidates([], NoStatistics()))
    return Bundle(directory, manifest, taxonomy, recall, ranking, release)


def _encoder(directory: Path, manifest: Manifest, beside: Bundle | None, name: str) -> Encoder:
    """Return the encoder in a directory of the bundle: that of the one beside it where the files are the same."""
    if beside is not None and _alike(manifest, beside.manifest, f"{name}/"):
        recall = beside.recall
        return recall.cascade.encoder if recall.cascade and name != ENCODER else recall.encoder
    return load_encoder(directory / name)


def _category_vectors(directory: Path, count: int) -> NDArray[np.float32]:
    file = directory / CATEGORY_INDEX
    # What it says of its own size is believed before it is read.
    faiss.set_deserialization_vector_byte_limit(file.stat().st_size)
    index = faiss.read_index(str(file))
    if not isinstance(index, faiss.IndexFlat) or index.ntotal != count:
        raise InvalidBundle(f"{file} has not the vectors of {count} categories; make the bundle anew")
    vectors: NDArray[np.float32] = index.reconstruct_n(0, index.ntotal)
    require(CATEGORY_INDEX, vectors, np.float32, count, None)
    return vectors


def _alike(one: Manifest, other: Manifest, beginning: str) -> bool:
    """Return whether the files whose names begin so are the same in two bundles."""
    found = [
        {name: file for name, file in each.files.items() if name.startswith(beginning)} for each in (one, other)
    ]
    return found[0] == found[1]


def _save_signals(directory: Path, encoder: Encoder, reference: Reference, signals: Sequence[Signal]) -> None:
    """Write an encoder, what signals share that hangs on its vectors, and the signals."""
    (directory / ENCODER).mkdir()
    encoder.save(directory / ENCODER)
    faiss.write_index(flat_index(reference.category_vectors), str(directory / CATEGORY_INDEX))
    (directory / EXAMPLES).mkdir()
    reference.examples.save(directory / EXAMPLES)
    (directory / SIGNAL_DIRECTORY).mkdir()
    for signal in signals:
        state = signal.state()
        _write_json(directory / SIGNAL_DIRECTORY / f"{signal.name}.json", state.meta)
        save_file(state.arrays, directory / SIGNAL_DIRECTORY / f"{signal.name}.safetensors")


def _save_cascade(directory: Path, cascade: Cascade) -> None:
    directory.mkdir()
    _save_signals(directory, cascade.encoder, cascade.reference, cascade.signals)
    # JSON knows no infinity: without a number, all is asked about.
    below = cascade.below if np.isfinite(cascade.below) else None
    _write_json(directory / CASCADE_OPTIONS, {"below": below})


def _load_cascade(directory: Path, encoder: Encoder, first: Reference) -> Cascade:
    reference = replace(
        first,
        category_vectors=_category_vectors(directory, len(first.taxonomy)),
        examples=Examples.load(directory / EXAMPLES),
    )
    signals = tuple(_load_signal(directory / SIGNAL_DIRECTORY, kind, reference) for kind in SENTENCE_SIGNALS)
    below = orjson.loads((directory / CASCADE_OPTIONS).read_bytes())["below"]
    return Cascade(encoder, signals, reference, np.inf if below is None else float(below))


def _load_signal(directory: Path, kind: type[Signal], reference: Reference) -> Signal:
    try:
        meta = orjson.loads((directory / f"{kind.name}.json").read_bytes())
        return kind.restore(SignalState(load_file(directory / f"{kind.name}.safetensors"), meta), reference)
    except Exception as error:  # whatever the libraries that read the files make of wrong bytes
        raise InvalidBundle(
            f"{directory / kind.name}: {type(error).__name__}: {error}; make the bundle anew with `shelfwise fit`"
        ) from error


def _save_ranking(directory: Path, ranking: Ranking) -> None:
    ranking.ranker.save(directory)
    save_file(asdict(ranking.features.record), directory / TRACK_RECORD)
    _write_json(
        directory / CALIBRATION,
        {
            "probabilities": asdict(ranking.probabilities),
            "assign": asdict(ranking.assign_calibrator),
            "back_off": asdict(ranking.back_off_calibrator),
        },
    )
    _write_json(directory / THRESHOLDS, ranking.policy.to_json())


def _load_ranking(directory: Path, taxonomy: Taxonomy, asked: Candidates) -> Ranking:
    """Load the ranking half; ``asked`` are candidates as recall makes them, whose features it must know."""
    calibration = orjson.loads((directory / CALIBRATION).read_bytes())
    return Ranking(
        taxonomy=taxonomy,
        features=FeatureBuilder(taxonomy, TrackRecord(**load_file(directory / TRACK_RECORD))),
        ranker=Ranker.load(directory, feature_names(asked.signals, asked.context_names)),
        probabilities=CandidateProbabilities(**calibration["probabilities"]),
        assign_calibrator=Calibrator.from_json(calibration["assign"]),
        back_off_calibrator=Calibrator.from_json(calibration["back_off"]),
        policy=Policy.from_json(orjson.loads((directory / THRESHOLDS).read_bytes())),
    )


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def check_destination(directory: Path) -> None:
    """Raise :class:`InvalidBundle` where no bundle can be written: it takes hours to make one."""
    shutil.rmtree(_place_beside(directory), ignore_errors=True)


def _place_beside(directory: Path) -> Path:
    """Return a new directory beside the one that a bundle is to have, which may hold an older one alone."""
    try:
        if directory.exists() and any(directory.iterdir()) and not (directory / MANIFEST).is_file():
            raise InvalidBundle(f"{directory} holds other files than a model bundle; name a new directory")
        directory.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as error:
        raise InvalidBundle(
            f"no bundle can be written to {directory}: {error.strerror}; name another directory"
        ) from error


@contextmanager
def _whole_directory(directory: Path) -> Iterator[Path]:
    """Give a directory to fill that takes its name, replacing an older bundle, only when all went well."""
    made = _place_beside(directory)
    try:
        yield made
        made.chmod(0o755)
        for file in made.rglob("*"):
            # safetensors makes files that only their owner may read; workers run as another user.
            if file.is_file():
                file.chmod(0o644)
        if directory.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.old.", dir=directory.parent))
            os.replace(directory, old / "bundle")
            os.replace(made, directory)
            shutil.rmtree(old)
        else:
            os.replace(made, directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)
