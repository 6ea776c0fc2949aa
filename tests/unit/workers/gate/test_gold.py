"""A gold set is frozen, and is the same products for both bundles."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from schemas.errors import GateRefused
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.gate.gold import GoldSet, freeze, frozen_digest, label_in_all_trees
from workers.product_files import LabelledProduct

ONE = Taxonomy.from_paths("one", "1", [("A", "B"), ("A", "C")])
OTHER = Taxonomy.from_paths("other", "2", [("Z",), ("A", "C"), ("A", "B")])
LESS = Taxonomy.from_paths("less", "3", [("A", "B")])


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    file = tmp_path / "gold.jsonl"
    file.write_bytes(b"one\n")
    return file


def test_a_gold_set_is_frozen_in_the_format_of_sha256sum(gold: Path) -> None:
    digest = frozen_digest(gold)
    assert digest == hashlib.sha256(b"one\n").hexdigest()
    freeze(gold, digest)
    assert (gold.parent / "gold.jsonl.sha256").read_text() == f"{digest}  gold.jsonl\n"
    assert frozen_digest(gold) == digest


def test_a_gold_set_that_is_not_frozen_yet_may_be_corrected(gold: Path) -> None:
    first = frozen_digest(gold)
    gold.write_bytes(b"two\n")
    assert frozen_digest(gold) != first


def test_a_name_that_is_no_utf_8_is_frozen_too(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"g\xff.jsonl")
    file.write_bytes(b"one\n")
    freeze(file, frozen_digest(file))
    assert file.with_name(file.name + ".sha256").read_bytes().endswith(b"  g\xff.jsonl\n")


def test_a_lock_that_is_no_file_is_an_error(gold: Path) -> None:
    (gold.parent / "gold.jsonl.sha256").mkdir()
    with pytest.raises(GateRefused, match="cannot be read"):
        frozen_digest(gold)


def test_a_gold_set_that_was_changed_is_refused(gold: Path) -> None:
    digest = frozen_digest(gold)
    freeze(gold, digest)
    gold.write_bytes(b"two\n")
    with pytest.raises(GateRefused, match=r"gold set was\s+changed.*delete .*gold.jsonl.sha256"):
        frozen_digest(gold)
    with pytest.raises(GateRefused, match=f"not {digest}"):
        frozen_digest(gold, digest)


def test_a_digest_that_is_named_needs_no_lock(gold: Path) -> None:
    digest = hashlib.sha256(b"one\n").hexdigest()
    assert frozen_digest(gold, digest.upper()) == digest
    assert not (gold.parent / "gold.jsonl.sha256").exists()


def test_an_empty_lock_freezes_nothing_and_is_refused(gold: Path) -> None:
    (gold.parent / "gold.jsonl.sha256").touch()
    with pytest.raises(GateRefused, match="says nothing"):
        frozen_digest(gold)


def rows(*paths: tuple[str, ...] | None) -> list[LabelledProduct]:
    return [
        LabelledProduct(Product(product_id=str(line), title=f"t {line}"), path, None, line)
        for line, path in enumerate(paths)
    ]


def test_products_are_placed_in_both_trees_by_path() -> None:
    gold = GoldSet.of("gold", "0", rows(*[("A", "B"), ("A", "C"), None] * 20))
    assert gold.unlabelled == 20
    (one, other), unknown = label_in_all_trees(gold, [ONE, OTHER])
    assert unknown == 0
    assert [product.product_id for product in one.products] == [product.product_id for product in other.products]
    assert [ONE.paths[label] for label in one.labels] == [OTHER.paths[label] for label in other.labels]


def test_a_category_that_one_tree_lacks_is_refused_by_name_or_left_out_of_both() -> None:
    gold = GoldSet.of("gold", "0", rows(*[("A", "B"), ("A", "C")] * 20))
    with pytest.raises(GateRefused, match=r"20 gold products.*A > C \(not in less 3\): 20"):
        label_in_all_trees(gold, [ONE, LESS])
    by_tree, unknown = label_in_all_trees(gold, [ONE, LESS], skip_unknown=True)
    assert unknown == 20
    assert [len(labelled.products) for labelled in by_tree] == [20, 20]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ([], "gold holds no product that can be read; name a file"),
        ([None, None], "none of the 2 products of gold has a label; give category_path"),
        (
            [("A", "C"), None],
            r"none of the 1 labels of gold .* every bundle's tree: A > C \(not in less 3\); name",
        ),
    ],
)
def test_a_gold_set_of_which_nothing_is_left_is_refused_with_the_reason(
    paths: list[tuple[str, ...] | None], said: str
) -> None:
    with pytest.raises(GateRefused, match=said):
        label_in_all_trees(GoldSet.of("gold", "0", rows(*paths)), [ONE, LESS], skip_unknown=True)
