"""Words shared with a tree: of listed nodes alone, plurals alike, rare words worth more, whatever the batch."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.taxonomy.tree import Taxonomy
from workers.arrays.pairs import pairs_of
from workers.text.tree_words import TreeWords, tree_words

TREE = Taxonomy.from_paths(
    "t", "1", ["Home > Lamps > Desk Lamps", "Home > Boxes", "Garden > Berries", "Garden > Glass Vases", "Glass"]
)
CHINESE = Taxonomy.from_paths("t", "1", ["鞋靴 > 运动鞋", "鞋靴 > 凉鞋", "厨具 > 马克杯"])
TEXTS = st.lists(st.text(max_size=30) | st.sampled_from(["a desk lamp", "glass berry", "home garden"]), max_size=5)


def shared(*texts: str, tree: Taxonomy = TREE) -> list[dict[str, float]]:
    found: list[dict[str, float]] = [{} for _ in texts]
    keys, values = TreeWords(tree).shared(texts)
    owners, nodes = pairs_of(keys)
    for owner, node, value in zip(owners.tolist(), nodes.tolist(), values.tolist(), strict=True):
        found[owner][tree.path_text(node)] = value
    return found


def test_a_plural_is_the_same_word() -> None:
    for one, many in (("Berry", "berries"), ("vase", "VASES"), ("lamp", "lamps")):
        assert shared(one) == shared(many)
        assert shared(one)[0]


def test_a_name_is_found_within_a_title_without_spaces() -> None:
    (found,) = shared("新款男士透气运动鞋黑色42码", tree=CHINESE)
    assert max(found, key=found.__getitem__) == "鞋靴 > 运动鞋"


def test_only_listed_nodes_share_words() -> None:
    assert set(shared("home lamps garden")[0]) <= {
        TREE.path_text(node) for node in np.flatnonzero(TREE.is_listed).tolist()
    }


def test_the_words_of_a_whole_name_count_most_and_those_above_add_to_it() -> None:
    (found,) = shared("glass vase")
    assert found["Garden > Glass Vases"] == pytest.approx(1, abs=1e-6)
    assert found["Garden > Glass Vases"] > found["Glass"] > 0
    assert shared("lamp for a desk at home")[0]["Home > Lamps > Desk Lamps"] > 1


def test_a_text_without_a_word_of_the_tree_shares_nothing() -> None:
    assert shared("zzz", "") == [{}, {}]


@given(TEXTS)
def test_what_is_shared_depends_on_the_text_alone(texts: list[str]) -> None:
    assert shared(*texts) == [found for text in texts for found in shared(text)]


def test_they_travel_to_another_process_as_the_tree_that_they_are_of() -> None:
    again = pickle.loads(pickle.dumps(tree_words(TREE)))
    assert [array.tolist() for array in again.shared(["desk lamp"])] == [
        array.tolist() for array in tree_words(TREE).shared(["desk lamp"])
    ]
