"""The ranking half of a bundle: the ranker, its track record, calibration and thresholds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from safetensors.numpy import save_file

from schemas.errors import InvalidBundle
from schemas.taxonomy.tree import Taxonomy
from workers.bundle.files import MAKE_ANEW, to_json, write_json
from workers.ranking.calibration import Calibrator, CandidateProbabilities
from workers.ranking.features import FeatureBuilder, feature_names
from workers.ranking.policy import Policy
from workers.ranking.ranker import Ranker
from workers.ranking.ranking import Ranking
from workers.ranking.track_record import TrackRecord
from workers.recall.candidates import Candidates

_TRACK_RECORD: Final = "track_record.safetensors"
_CALIBRATION: Final = "calibration.json"
_THRESHOLDS: Final = "thresholds.json"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Calibration:
    probabilities: CandidateProbabilities
    assign: Calibrator
    back_off: Calibrator


def save_ranking(directory: Path, ranking: Ranking) -> None:
    """Write everything except the tree."""
    ranking.ranker.save(directory)
    save_file(asdict(ranking.features.record), directory / _TRACK_RECORD)
    calibration = _Calibration(ranking.probabilities, ranking.assign_calibrator, ranking.back_off_calibrator)
    write_json(directory / _CALIBRATION, calibration)
    write_json(directory / _THRESHOLDS, ranking.policy)


def load_ranking(directory: Path, taxonomy: Taxonomy, asked: Candidates) -> Ranking:
    """Read what :func:`save_ranking` wrote.

    ``asked`` are candidates from this bundle's recall; their signals and context names determine the features.
    Raises :class:`InvalidBundle`, naming the file, if a file holds impossible values.
    """
    calibration = _read(directory / _CALIBRATION, _Calibration)
    return Ranking(
        taxonomy=taxonomy,
        features=FeatureBuilder(taxonomy, TrackRecord.load(directory / _TRACK_RECORD, len(taxonomy))),
        ranker=Ranker.load(directory, feature_names(asked.signals, asked.context_names)),
        probabilities=calibration.probabilities,
        assign_calibrator=calibration.assign,
        back_off_calibrator=calibration.back_off,
        policy=_read(directory / _THRESHOLDS, Policy),
    )


def _read(file: Path, kind: type[_T]) -> _T:
    data = file.read_bytes()
    try:
        found = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidBundle(f"{file}: {error}; {MAKE_ANEW}") from error
    # Otherwise a missing threshold would be read as no threshold.
    if to_json(found) != data:
        raise InvalidBundle(f"{file}: fields are missing, or are not ours; {MAKE_ANEW}")
    return found
