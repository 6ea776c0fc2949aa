"""The recall half of a bundle: encoders, the data that signals share, the signals, and the cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import faiss
import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from schemas.errors import InvalidBundle
from schemas.taxonomy.tree import Taxonomy
from workers.arrays.nearest import flat_index
from workers.arrays.stored import require
from workers.bundle.files import MAKE_ANEW, write_json
from workers.encoders.base import Encoder
from workers.encoders.load import load_encoder
from workers.recall.cascade import Cascade
from workers.recall.examples import Examples
from workers.recall.recall import Recall
from workers.signals.base import Reference, Signal, SignalState
from workers.signals.registry import SENTENCE_SIGNALS, SIGNALS
from workers.text.features import TextFeatures

_ENCODER: Final = "encoder"
_CATEGORY_INDEX: Final = "category_index.faiss"
_EXAMPLES: Final = "examples"
_TEXT_FEATURES: Final = "text_features"
_SIGNALS: Final = "signals"
_CASCADE: Final = "cascade"
_CASCADE_OPTIONS: Final = "cascade.json"


def save_recall(directory: Path, recall: Recall) -> None:
    """Write everything except the tree."""
    _save_signals(directory, recall.encoder, recall.reference, recall.signals)
    (directory / _TEXT_FEATURES).mkdir()
    recall.reference.text_features.save(directory / _TEXT_FEATURES)
    if recall.cascade is not None:
        _save_cascade(directory / _CASCADE, recall.cascade)


def load_recall(
    directory: Path,
    taxonomy: Taxonomy,
    signals: Sequence[str],
    *,
    cascade: bool,
) -> Recall:
    """Read what :func:`save_recall` wrote: the signals with these names, and the cascade if asked for."""
    reference = Reference(
        taxonomy,
        _category_vectors(directory, len(taxonomy)),
        Examples.load(directory / _EXAMPLES, len(taxonomy)),
        TextFeatures.load(directory / _TEXT_FEATURES),
    )
    known = {signal.name: signal for signal in SIGNALS}
    if unknown := [name for name in signals if name not in known]:
        raise InvalidBundle(
            f"bundle {directory}: this version of Shelfwise has no signal {', '.join(unknown)}; "
            f"run the version that made the bundle, or {MAKE_ANEW}"
        )
    return Recall(
        load_encoder(directory / _ENCODER),
        [_load_signal(directory, known[name], reference) for name in signals],
        reference,
        _load_cascade(directory / _CASCADE, reference) if cascade else None,
    )


def _save_signals(directory: Path, encoder: Encoder, reference: Reference, signals: Sequence[Signal]) -> None:
    """Write an encoder, the shared data that depends on its vectors, and the signals."""
    (directory / _ENCODER).mkdir()
    encoder.save(directory / _ENCODER)
    faiss.write_index(flat_index(reference.category_vectors), str(directory / _CATEGORY_INDEX))
    (directory / _EXAMPLES).mkdir()
    reference.examples.save(directory / _EXAMPLES)
    (directory / _SIGNALS).mkdir()
    for signal in signals:
        state = signal.state()
        write_json(directory / _SIGNALS / f"{signal.name}.json", state.meta)
        save_file(state.arrays, directory / _SIGNALS / f"{signal.name}.safetensors")


def _load_signal(directory: Path, kind: type[Signal], reference: Reference) -> Signal:
    file = directory / _SIGNALS / kind.name
    try:
        meta = orjson.loads(file.with_suffix(".json").read_bytes())
        return kind.restore(SignalState(load_file(file.with_suffix(".safetensors")), meta), reference)
    except Exception as error:  # whatever the libraries raise when a file holds the wrong bytes
        raise InvalidBundle(f"{file}: {type(error).__name__}: {error}; {MAKE_ANEW}") from error


def _save_cascade(directory: Path, cascade: Cascade) -> None:
    directory.mkdir()
    _save_signals(directory, cascade.encoder, cascade.reference, cascade.signals)
    # JSON has no infinity; no number means that the cascade looks at all products.
    sure_lead = cascade.sure_lead if np.isfinite(cascade.sure_lead) else None
    write_json(directory / _CASCADE_OPTIONS, {"below": sure_lead})


def _load_cascade(directory: Path, first: Reference) -> Cascade:
    reference = replace(
        first,
        category_vectors=_category_vectors(directory, len(first.taxonomy)),
        examples=Examples.load(directory / _EXAMPLES, len(first.taxonomy)),
    )
    signals = tuple(_load_signal(directory, kind, reference) for kind in SENTENCE_SIGNALS)
    sure_lead = orjson.loads((directory / _CASCADE_OPTIONS).read_bytes())["below"]
    return Cascade(
        load_encoder(directory / _ENCODER), signals, reference, np.inf if sure_lead is None else float(sure_lead)
    )


def _category_vectors(directory: Path, count: int) -> NDArray[np.float32]:
    file = directory / _CATEGORY_INDEX
    # FAISS trusts the size that the file states before it has read the data, so bound it.
    faiss.set_deserialization_vector_byte_limit(file.stat().st_size)
    index = faiss.read_index(str(file))
    if not isinstance(index, faiss.IndexFlat) or index.ntotal != count:
        raise InvalidBundle(f"{file} has not the vectors of {count} categories; make the bundle anew")
    vectors: NDArray[np.float32] = index.reconstruct_n(0, index.ntotal)
    require(_CATEGORY_INDEX, vectors, np.float32, count, None)
    return vectors
