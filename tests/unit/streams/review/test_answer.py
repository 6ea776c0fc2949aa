from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.taxonomy import Taxonomy
from schemas.taxonomy.node import CategoryNode
from streams.review.answer import SHOWN, Chosen, Found, find_category, understand

TREE = Taxonomy.from_paths(
    "t", "1", ["Home > Lighting > Desk Lamps", "Home > Lighting > Lamps", "Home > Vases", "Sport > Table Tennis"]
)
DESK, LAMPS, VASES = (
    TREE.index_of_path(path)
    for path in ("Home > Lighting > Desk Lamps", "Home > Lighting > Lamps", "Home > Vases")
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", Chosen(VASES)),
        ("2", Chosen(DESK)),
        (" home > vases ", Chosen(VASES)),
        (TREE.ids[LAMPS], Chosen(LAMPS)),
        ("n", Chosen(None)),
        ("Nowhere", Chosen(None)),
        ("", "skip"),
        ("s", "skip"),
        ("Q", "quit"),
        ("b", "back"),
        # The name that says nothing else is likelier meant.
        ("lamps", Found((LAMPS, DESK), 2)),
        ("lamps desk", Found((DESK,), 1)),
        ("spaceships", Found((), 0)),
        ("3", Found((), 0)),
        ("!", Found((), 0)),
    ],
)
def test_an_answer_is_a_number_a_category_or_words_of_one(text: str, expected: object) -> None:
    assert understand(text, [VASES, DESK, None], TREE) == expected


def test_a_mistyped_number_is_no_id() -> None:
    nodes = [CategoryNode(node_id, (name,)) for node_id, name in (("1", "Fish"), ("6", "Cats"), ("166", "Dogs"))]
    tree = Taxonomy("t", "1", nodes)
    assert understand("6", [0, 1], tree) == Found((), 0)
    assert understand("1", [None, 2], tree) == Found((), 0)
    assert understand("0", [0], tree) == Found((), 0)
    assert understand("166", [0], tree) == Chosen(2)
    assert understand("9" * 5_000, [0], tree) == Found((), 0)


def test_a_parent_that_the_tree_only_created_is_no_answer() -> None:
    assert find_category("Home", TREE) is None
    found = understand("Home", [], TREE)
    assert isinstance(found, Found)
    assert found.total == 3


@pytest.mark.parametrize("text", ["dress", "Dresses", "clothing dress", "cloth > dress"])
def test_a_search_finds_a_category_whose_name_ends_otherwise_and_before_those_that_say_more(text: str) -> None:
    paths = ["Clothing > Dress Socks", "Clothing > Formal > Gowns > Dresses", "Clothing > Formal > Summer Dresses"]
    tree = Taxonomy.from_paths("t", "1", paths)
    found = understand(text, [], tree)
    assert isinstance(found, Found)
    assert list(map(tree.path_text, found.nodes)) == [paths[1], paths[0], paths[2]]


@pytest.mark.parametrize(
    ("text", "name"), [("accessory", "Accessories"), ("ties", "Tie"), ("buses", "Bus"), ("watch", "Watches")]
)
def test_a_search_minds_no_ending(text: str, name: str) -> None:
    tree = Taxonomy.from_paths("t", "1", [f"Home > {name}", "Home > Toys"])
    assert understand(text, [], tree) == Found((tree.index_of_path(f"Home > {name}"),), 1)


@pytest.mark.parametrize("text", ["运动鞋", "鞋", "男士 鞋"])
def test_a_search_finds_a_name_that_has_the_word_anywhere_in_scripts_without_spaces(text: str) -> None:
    tree = Taxonomy.from_paths("t", "1", ["服饰 > 男士运动鞋", "服饰 > 男士外套"])
    assert understand(text, [], tree) == Found((tree.index_of_path("服饰 > 男士运动鞋"),), 1)


def test_a_word_that_is_also_the_path_of_a_root_is_searched_for() -> None:
    tree = Taxonomy.from_paths("t", "1", ["Furniture", "Furniture > Sofas", "Media"])
    assert understand("furniture", [], tree) == Found((0, 1), 2)
    assert understand(tree.ids[0], [], tree) == Chosen(0)
    assert understand("media", [], tree) == Chosen(2), "there is nothing else that it could mean"


def test_a_search_tells_how_much_more_there_is() -> None:
    tree = Taxonomy.from_paths("t", "1", [f"Home > Lamps {number}" for number in range(20)])
    found = understand("lamps", [], tree)
    assert isinstance(found, Found)
    assert (len(found.nodes), found.total) == (SHOWN, 20)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_understood_or_finds_nothing(text: str) -> None:
    answer = understand(text, [LAMPS], TREE)
    assert answer in ("skip", "back", "quit") or isinstance(answer, Chosen | Found)
