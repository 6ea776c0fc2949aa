"""A bundle decides as the model that was fitted, and is refused by file name when it is not whole."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from schemas.errors import InvalidBundle
from schemas.taxonomy.tree import Taxonomy
from tests.sample_model import sample_products
from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.files import Description, read_manifest, write_manifest
from workers.bundle.ranking_files import load_ranking, save_ranking
from workers.bundle.release import Release, admit
from workers.encoders.static import StaticEncoder
from workers.fit.fit import FitOptions, fit
from workers.fit.labels import label_products
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import Policy
from workers.statistics import NoStatistics

PRODUCTS = [row.product for row in sample_products(8, 300)]


@pytest.fixture
def copy(sample_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_bundle, tmp_path / "copy"))


def test_most_of_what_it_assigns_is_right(bundle: Bundle) -> None:
    rows = [row for row in sample_products(8, 300) if row.category_path]
    verdicts = bundle.ranking.decide(bundle.recall.candidates([row.product for row in rows], NoStatistics()))
    decided = [(v, row) for v, row in zip(verdicts, rows, strict=True) if v.category is not None]
    assert len(decided) > 100
    right = [
        row.category_path[: len(bundle.taxonomy.paths[v.category])] == bundle.taxonomy.paths[v.category]
        for v, row in decided
        if row.category_path and v.category is not None
    ]
    assert np.mean(right) > 0.85


def test_a_product_is_decided_alike_alone_in_any_batch_and_in_any_order(bundle: Bundle) -> None:
    together = bundle.ranking.decide(bundle.recall.candidates(PRODUCTS, NoStatistics()))
    backwards = bundle.ranking.decide(bundle.recall.candidates(PRODUCTS[::-1], NoStatistics()))
    assert backwards[::-1] == together
    for number in range(0, len(PRODUCTS), 17):
        candidates = bundle.recall.candidates([PRODUCTS[number]], NoStatistics())
        assert bundle.ranking.decide(candidates) == [together[number]]


def test_evidence_names_signals_and_sums_to_the_margin(bundle: Bundle) -> None:
    candidates = bundle.recall.candidates(PRODUCTS[:50], NoStatistics())
    matrix = bundle.ranking.features.build(candidates)
    margins = bundle.ranking.ranker.margins(matrix.values)
    rows = np.arange(0, len(margins), 50)
    shares = bundle.ranking.ranker.contributions(matrix.values[rows])
    assert shares.sum(axis=1) == pytest.approx(margins[rows], abs=1e-4)
    known = {*candidates.signals, "agreement", "category"}
    for verdict in bundle.ranking.decide(candidates):
        assert {item.signal for item in verdict.evidence} == known


def test_no_products_give_no_verdicts(bundle: Bundle) -> None:
    assert bundle.ranking.decide(bundle.recall.candidates([], NoStatistics())) == []


def test_every_file_may_be_read_by_a_worker_of_another_user(sample_bundle: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in sample_bundle.rglob("*") if file.is_file()} == {0o644}


def test_equal_models_have_equal_versions(bundle: Bundle, copy: Path) -> None:
    assert load_bundle(copy).model_version == bundle.model_version


@pytest.mark.parametrize("name", ["ranker.ubj", "signals/linear_text.safetensors", "taxonomy.json"])
def test_a_truncated_file_is_refused_by_name(copy: Path, name: str) -> None:
    file = copy / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InvalidBundle, match=name):
        load_bundle(copy)


def test_an_altered_file_is_refused_by_name(copy: Path) -> None:
    file = copy / "thresholds.json"
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(InvalidBundle, match=r"thresholds.json was altered"):
        load_bundle(copy)


def _first(value: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return what sets the first number of an array."""

    def alter(array: NDArray[Any]) -> NDArray[Any]:
        array = array.copy()
        array[(0,) * array.ndim] = value
        return array

    return alter


@pytest.mark.parametrize(
    ("name", "array", "alter"),
    [
        ("signals/linear_text", "columns", _first(10**6)),
        ("signals/linear_text", "columns", _first(-1)),
        ("signals/linear_parent", "offsets", lambda array: array.astype(np.int32)),
        ("signals/naive_bayes", "offsets", lambda array: array[:-1]),
        ("signals/naive_bayes", "known", lambda array: array[::-1].copy()),
        ("signals/linear_text", "intercepts", _first(np.nan)),
        ("signals/ngram_vectors", "vectors", lambda array: array[:-1]),
        ("signals/ngram_vectors", "weights", lambda array: array.T.copy()),
        ("encoder/encoder", "vectors", lambda array: array[:100]),
        ("signals/brand_frequency", "categories", _first(10**6)),
        ("signals/brand_frequency", "offsets", lambda array: array[1:]),
        ("signals/brand_frequency", "offsets", lambda array: array[::-1].copy()),
        ("examples/examples", "offsets", _first(1)),
        ("examples/examples", "labels", _first(-1)),
        ("examples/examples", "rows", _first(10**6)),
        ("track_record", "totals", lambda array: array[1:]),
        ("track_record", "pairs", lambda array: array[::-1].copy()),
        ("ranker_sum", "weights", lambda array: array[1:]),
        ("ranker_shap", "features", _first(10**6)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_part_that_does_not_fit_the_others_is_refused_though_its_digest_is_right(
    copy: Path, name: str, array: str, alter: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    file = copy / f"{name}.safetensors"
    arrays = load_file(file)
    save_file(arrays | {array: alter(arrays[array])}, file)
    _sign(copy)
    # SciPy calls columns indices; that a token has no vector is said of the tokenizer.
    with pytest.raises(InvalidBundle, match=f"{array}|indices|tokenizer.json"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("calibration", ("assign", "y", 0), 2.0),
        ("calibration", ("back_off", "x", 0), "0"),
        ("calibration", ("back_off", "x", 0), -5.0),
        ("calibration", ("probabilities", "scale"), -1.0),
        ("thresholds", ("assign",), -0.1),
        ("thresholds", ("new_stores", "below"), None),
        ("thresholds", ("assign_under",), {"lamps": 0.9}),
    ],
)
def test_a_number_of_a_decision_that_cannot_be_is_refused_by_file_and_place(
    copy: Path, name: str, place: tuple[str | int, ...], value: object
) -> None:
    file = copy / f"{name}.json"
    document = holder = orjson.loads(file.read_bytes())
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    file.write_bytes(orjson.dumps(document))
    _sign(copy)
    with pytest.raises(InvalidBundle, match=rf"{name}.json: .*{place[0]}"):
        load_bundle(copy)


def test_thresholds_are_kept_with_those_of_categories(bundle: Bundle, tmp_path: Path) -> None:
    policy = Policy(0.9, 0.8, {3: 0.95, 12: 0.97}, 0.96, 0.7, NewStores(10, 0.97, 0.9))
    ranking = replace(bundle.ranking, policy=policy)
    save_ranking(tmp_path, ranking)
    assert load_ranking(tmp_path, bundle.taxonomy, bundle.recall.candidates([], NoStatistics())).policy == policy


@pytest.mark.parametrize("name", ["assign_under", "assign_new_brands", "new_stores"])
def test_thresholds_of_which_one_is_missing_or_unknown_are_refused(copy: Path, name: str) -> None:
    file = copy / "thresholds.json"
    document = orjson.loads(file.read_bytes())
    document["misspelt"] = document.pop(name)
    file.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    _sign(copy)
    with pytest.raises(InvalidBundle, match=r"thresholds.json: fields are missing"):
        load_bundle(copy)


def test_thresholds_that_are_cut_off_are_refused_by_name_though_their_digest_is_right(copy: Path) -> None:
    file = copy / "thresholds.json"
    file.write_bytes(file.read_bytes()[:-9])
    _sign(copy)
    with pytest.raises(InvalidBundle, match=r"thresholds.json: .*truncated"):
        load_bundle(copy)


def test_signals_in_another_order_than_the_ranker_learned_them_are_refused(copy: Path) -> None:
    signals = read_manifest(copy).signals
    _sign(copy, (signals[1], signals[0], *signals[2:]))
    with pytest.raises(InvalidBundle, match="other features than the signals give"):
        load_bundle(copy)


def test_a_signal_of_another_version_is_named_with_the_remedy(copy: Path) -> None:
    _sign(copy, ("of_tomorrow", *read_manifest(copy).signals))
    with pytest.raises(InvalidBundle, match="no signal of_tomorrow; run the version that made the bundle"):
        load_bundle(copy)


def test_an_index_of_another_kind_is_refused_by_name(copy: Path) -> None:
    vectors = np.zeros((3, 8), np.float32)
    index = faiss.IndexIDMap(faiss.IndexFlatIP(8))
    index.add_with_ids(vectors, np.arange(3))
    faiss.write_index(index, str(copy / "category_index.faiss"))
    _sign(copy)
    with pytest.raises(InvalidBundle, match=r"category_index\.faiss has not the vectors"):
        load_bundle(copy)


def _sign(directory: Path, signals: tuple[str, ...] | None = None) -> None:
    """Write the manifest of what lies there."""
    known = Description.of(read_manifest(directory))
    write_manifest(directory, replace(known, signals=signals or known.signals))


def test_a_bundle_that_takes_the_place_of_the_one_that_was_checked_is_not_loaded_for_it(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(copy, tmp_path / "other"))
    (other / "metrics.json").write_bytes(b"{}")
    write_manifest(other, Description.of(read_manifest(copy)))

    def admit_and_replace(*asked: Any) -> Release:
        release = admit(*asked)
        copy.rename(tmp_path / "old")
        other.rename(copy)
        return release

    monkeypatch.setattr("workers.bundle.bundle.admit", admit_and_replace)
    with pytest.raises(InvalidBundle, match="was replaced while it was being loaded; load it again"):
        load_bundle(copy)


def test_a_missing_file_is_refused_by_name(copy: Path) -> None:
    (copy / "category_index.faiss").unlink()
    with pytest.raises(InvalidBundle, match=r"category_index.faiss is missing"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format", 99, "bundle format 99"),
        ("files", {"../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}, "points out"),
    ],
)
def test_a_manifest_from_elsewhere_is_refused(copy: Path, key: str, value: object, said: str) -> None:
    manifest = orjson.loads((copy / "manifest.json").read_bytes())
    (copy / "manifest.json").write_bytes(orjson.dumps(manifest | {key: value}))
    with pytest.raises(InvalidBundle, match=said):
        load_bundle(copy)


def test_a_manifest_of_another_format_with_other_fields_is_refused_by_its_format(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(orjson.dumps({"format": 99, "files": []}))
    with pytest.raises(InvalidBundle, match="bundle format 99, this version reads"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(copy: Path, content: bytes) -> None:
    (copy / "manifest.json").write_bytes(content)
    with pytest.raises(InvalidBundle, match=r"manifest.json"):
        load_bundle(copy)


def test_a_directory_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="is no model bundle"):
        load_bundle(tmp_path)


def test_another_encoder_is_loaded(tmp_path: Path) -> None:
    encoder = StaticEncoder(Tokenizer(WordLevel({"lamp": 0}, unk_token="lamp")), np.ones((1, 8), np.float16))
    home = Taxonomy.from_paths("home", "1", ["Home > Lamps"])
    fit(label_products([], home), home, tmp_path / "other", FitOptions(encoder=encoder))
    other = load_bundle(tmp_path / "other")
    assert other.taxonomy.paths == home.paths
    assert other.recall.encoder.dimensions == 8


def test_a_bundle_that_cannot_be_loaded_does_not_take_the_place_of_one_that_can(copy: Path) -> None:
    class Forgetful(StaticEncoder):
        def save(self, directory: Path) -> None:
            super().save(directory)
            (directory / "tokenizer.json").unlink()

    encoder = Forgetful(Tokenizer(WordLevel({"lamp": 0}, unk_token="lamp")), np.ones((1, 8), np.float16))
    home = Taxonomy.from_paths("home", "1", ["Home > Lamps"])
    before = read_manifest(copy)
    with pytest.raises(InvalidBundle):
        fit(label_products([], home), home, copy, FitOptions(encoder=encoder))
    assert read_manifest(copy) == before
    assert load_bundle(copy).model_version == before.model_version


def test_a_bundle_that_cannot_be_written_whole_is_told_of_and_the_older_one_stays(tmp_path: Path) -> None:
    tree = Taxonomy.from_paths("tree", None, [["Home", "Lamps"]])
    fit(label_products([], tree), tree, tmp_path / "bundle")
    before = read_manifest(tmp_path / "bundle")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(
            InvalidBundle, match=r"bundle cannot be written: .*File too large.*; make room, or name"
        ):
            fit(label_products([], tree), tree, tmp_path / "bundle")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_manifest(tmp_path / "bundle") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "bundle"]
