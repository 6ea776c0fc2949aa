"""The gate as a release script sees it: exit status, verdict in the bundle, what the worker then does."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from schemas.errors import RejectedBundle
from streams.cli import main
from tests.sample_model import sample_products
from workers.bundle.bundle import load_bundle
from workers.fit.fit import FitOptions, fit
from workers.fit.labels import label_products
from workers.product_files import LabelledProduct
from workers.sample import generate_catalogue, sample_taxonomy

SPOILT = "Kitchen & Dining"


@pytest.fixture(scope="module")
def gold_rows() -> list[dict[str, object]]:
    return [dict(row) for row in generate_catalogue(8, 400)]


@pytest.fixture
def gold(tmp_path: Path, gold_rows: list[dict[str, object]]) -> Path:
    return write(tmp_path / "gold.jsonl", gold_rows)


@pytest.fixture
def current(sample_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_bundle, tmp_path / "current"))


@pytest.fixture
def same(sample_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_bundle, tmp_path / "same"))


@pytest.fixture(scope="module")
def spoilt_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model fitted on the products of the sample model, those of one top-level category labelled at random."""
    rows = sample_products(7, 1_500)
    wrong = [row.category_path for row in rows if row.category_path and row.category_path[0] != SPOILT]
    spoilt = [
        LabelledProduct(row.product, wrong[line], None, line)
        if row.category_path and row.category_path[0] == SPOILT
        else row
        for line, row in enumerate(rows[: len(wrong)])
    ]
    taxonomy = sample_taxonomy()
    directory = tmp_path_factory.mktemp("spoilt") / "bundle"
    fit(label_products(spoilt, taxonomy), taxonomy, directory, FitOptions(folds=2))
    return directory


@pytest.fixture
def spoilt(spoilt_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(spoilt_bundle, tmp_path / "spoilt"))


def write(file: Path, rows: list[dict[str, object]]) -> Path:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return file


def gate(*arguments: str | Path) -> Result:
    # The sample model is fitted on few products: its budget is no matter here.
    return CliRunner().invoke(main, ["gate", "--max-error", "0.5", *map(str, arguments)])


def test_a_bundle_beside_itself_is_accepted_and_loads_as_accepted(current: Path, same: Path, gold: Path) -> None:
    result = gate("--candidate", same, "--current", current, "--gold", gold)
    assert result.exit_code == 0, result.output
    assert "accepted: model" in result.stdout
    assert load_bundle(same).release == "accepted"
    assert load_bundle(current).release == "not_gated"


def test_a_worse_candidate_is_rejected_with_its_reasons_and_does_not_load(
    current: Path, spoilt: Path, gold: Path
) -> None:
    result = gate("--candidate", spoilt, "--current", current, "--gold", gold, "--json")
    assert result.exit_code == 1, result.output
    report = orjson.loads(result.stdout)
    assert report["decision"] == "rejected"
    fell = {metric["name"] for metric in report["metrics"] if metric["verdict"] == "fell"}
    assert {"exact_accuracy", "hierarchical_f1"} <= fell
    categories = {one["path"]: one for one in report["categories"]}
    assert categories[SPOILT]["verdict"] == "fell"
    assert categories[SPOILT]["candidate"] < 0.5 * categories[SPOILT]["current"]
    assert any(reason.startswith("exact_accuracy fell from") for reason in report["reasons"])
    with pytest.raises(RejectedBundle, match="exact_accuracy fell from"):
        load_bundle(spoilt)


def test_a_rejected_bundle_classifies_only_when_forced(
    current: Path, spoilt: Path, gold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gate("--candidate", spoilt, "--current", current, "--gold", gold).exit_code == 1
    question = ["classify", "--bundle", str(spoilt), "--title", "Desk lamp", "--json"]
    refused = CliRunner().invoke(main, question)
    assert refused.exit_code == 1
    assert "was rejected by the gate" in refused.stderr
    monkeypatch.setenv("SHELFWISE_FORCE_REJECTED_BUNDLE", "ticket 12")
    assert CliRunner().invoke(main, question).exit_code == 0
    assert orjson.loads((spoilt / "forced.jsonl").read_bytes())["reason"] == "ticket 12"
    again = gate("--candidate", spoilt, "--current", current, "--gold", gold)
    assert again.exit_code == 1


def test_a_rejected_bundle_is_evaluated_like_any_other(current: Path, spoilt: Path, gold: Path) -> None:
    assert gate("--candidate", spoilt, "--current", current, "--gold", gold).exit_code == 1
    question = ["evaluate", "--bundle", str(spoilt), "--products", str(gold), "--draws", "20", "--json"]
    result = CliRunner().invoke(main, question)
    assert result.exit_code == 0, result.output
    assert orjson.loads(result.stdout)["n"] > 0


def test_products_that_leaked_are_left_out_and_counted(
    current: Path, same: Path, tmp_path: Path, gold_rows: list[dict[str, object]]
) -> None:
    seen = [dict(row) for row in generate_catalogue(7, 100)]
    gold = write(tmp_path / "leaky.jsonl", gold_rows + seen)
    report = orjson.loads(gate("--candidate", same, "--current", current, "--gold", gold, "--json").stdout)
    labelled = sum(bool(row["category_path"]) for row in gold_rows + seen)
    assert report["leaks_candidate"]["exact"] >= sum(bool(row["category_path"]) for row in seen)
    assert report["products"] == labelled - report["leaked"]
    assert report["leaks_candidate"]["examples"]
    said = gate("--candidate", same, "--current", current, "--gold", gold, "--dry-run").stdout
    found = report["leaks_candidate"]
    assert f"on {found['exact']:,} products of the gold set and near-duplicates of {found['near']:,} more" in said
    kept = gate("--candidate", same, "--current", current, "--gold", gold, "--json", "--keep-leaked")
    assert orjson.loads(kept.stdout)["products"] == labelled


def test_a_gold_set_that_is_the_training_set_is_refused_without_a_verdict(
    current: Path, same: Path, tmp_path: Path
) -> None:
    gold = write(tmp_path / "seen.jsonl", [dict(row) for row in generate_catalogue(7, 300)])
    result = gate("--candidate", same, "--current", current, "--gold", gold)
    assert result.exit_code == 1
    assert "this is no gold set" in result.stderr
    assert not (same / "gate.json").exists()


def test_too_few_products_cannot_judge(
    current: Path, same: Path, tmp_path: Path, gold_rows: list[dict[str, object]]
) -> None:
    gold = write(tmp_path / "few.jsonl", gold_rows[:60])
    result = gate("--candidate", same, "--current", current, "--gold", gold)
    assert result.exit_code == 1
    assert "at least 100 are needed" in result.stderr


def test_a_gold_set_that_was_changed_is_refused(current: Path, same: Path, gold: Path) -> None:
    assert gate("--candidate", same, "--current", current, "--gold", gold, "--dry-run").exit_code == 0
    assert not (same / "gate.json").exists()
    with gold.open("ab") as stream:
        stream.write(
            gold.read_bytes()[:0] + b'{"product_id": "x", "title": "x", "category_path": ["Food & Drink"]}\n'
        )
    result = gate("--candidate", same, "--current", current, "--gold", gold)
    assert result.exit_code == 1
    assert "the gold set was changed" in result.stderr


def test_a_first_bundle_is_judged_by_its_budget_alone(same: Path, gold: Path) -> None:
    result = gate("--candidate", same, "--first", "--gold", gold, "--json")
    assert result.exit_code == 0, result.output
    report = orjson.loads(result.stdout)
    assert report["current"] is None
    assert {metric["verdict"] for metric in report["metrics"]} == {"measured"}
    broken = gate("--candidate", same, "--first", "--gold", gold, "--max-error", "0.001")
    assert broken.exit_code == 1
    assert "wrong, budget 0.1%: broken" in broken.stdout
    assert "more than 0.1%" in broken.stdout


@pytest.mark.parametrize("extra", [[], ["--first", "--current", "."]])
def test_it_is_said_whether_there_is_a_current_bundle(same: Path, gold: Path, extra: list[str]) -> None:
    assert gate("--candidate", same, "--gold", gold, *extra).exit_code == 2


def test_a_candidate_that_does_not_say_what_it_was_fitted_on_is_refused(
    current: Path, same: Path, gold: Path
) -> None:
    from workers.bundle import files

    manifest = files.read_manifest(same)
    (same / "training.safetensors").unlink()
    files.write_manifest(same, files.Description.of(manifest))
    result = gate("--candidate", same, "--current", current, "--gold", gold)
    assert result.exit_code == 1
    assert "fit it anew" in result.stderr
    reverse = gate("--candidate", current, "--current", same, "--gold", gold)
    assert reverse.exit_code == 0, reverse.output
    assert "leaks into it are not known" in reverse.stdout
