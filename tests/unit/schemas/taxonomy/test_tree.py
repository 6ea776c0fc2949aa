from __future__ import annotations

import string
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy import CategoryNode, Taxonomy
from schemas.taxonomy.node import MAX_DEPTH

names = st.text(string.ascii_letters + string.digits + "&,'-äéß", min_size=1, max_size=6)
path_lists = st.lists(st.lists(names, min_size=1, max_size=5), min_size=1, max_size=25)


def _tree() -> Taxonomy:
    paths = (("Home",), ("Home", "Lamps"), ("Garden",), ("Home", "Lamps", "Desk Lamps"), ("Home", "Rugs"))
    return Taxonomy("shop", "7", [CategoryNode(f"c{i}", path) for i, path in enumerate(paths)])


def test_arrays_describe_the_nodes_in_file_order() -> None:
    tree = _tree()
    assert tree.ids == ("c0", "c1", "c2", "c3", "c4")
    assert tree.names == ("Home", "Lamps", "Garden", "Desk Lamps", "Rugs")
    assert tree.parents.tolist() == [-1, 0, -1, 1, 0]
    assert tree.depths.tolist() == [1, 2, 1, 3, 2]
    assert tree.is_leaf.tolist() == [False, False, True, True, True]
    assert tree.roots == (0, 2)
    assert tree.ancestors(3) == (0, 1, 3)
    assert tree.ancestor_matrix.tolist() == [[0, -1, -1], [0, 1, -1], [2, -1, -1], [0, 1, 3], [0, 4, -1]]
    assert tree.path_text(3) == "Home > Lamps > Desk Lamps"
    assert [str(array.dtype) for array in (tree.parents, tree.depths)] == ["int32", "int8"]
    assert str(tree.ancestor_matrix.dtype) == "int32"


def test_its_arrays_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        _tree().parents[0] = 1


def test_a_path_matches_exactly_first_and_then_whatever_its_case_and_whitespace() -> None:
    nodes = [CategoryNode("1", ("Lamps",)), CategoryNode("2", ("LAMPS",)), CategoryNode("3", ("Bed  Linen",))]
    tree = Taxonomy("shop", "1", nodes)
    assert tree.index_of_path(("LAMPS",)) == 1
    assert tree.index_of_path(("lamps",)) == 0
    assert tree.index_of_path((" bed LINEN ",)) == 2
    assert tree.find_path("Bed Linen") == 2
    assert tree.find_path(("Chairs",)) is None


def test_an_unknown_id_or_path_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match="'c99' in taxonomy shop 7"):
        _tree().index_of_id("c99")
    with pytest.raises(KeyError, match="'Home > Beds' in taxonomy shop 7"):
        _tree().index_of_path(("Home", "Beds"))


def test_the_index_minus_one_names_no_node() -> None:
    with pytest.raises(IndexError, match="-1 is out of range"):
        _tree().ancestors(-1)


def test_an_alias_finds_the_node_it_stands_for() -> None:
    tree = Taxonomy("shop", "1", [CategoryNode("1", ("Lamps",))], aliases={"old-1": "1"})
    assert tree.index_of_id("old-1") == 0
    assert Taxonomy.from_json_bytes(tree.to_json_bytes()) == tree


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "no categories"),
        ([("1", ("A",)), ("1", ("B",))], "same id '1'"),
        ([("1", ("A",)), ("2", ("A",))], "same path 'A'"),
        ([("1", ("A", "B"))], "no parent 'A'"),
        ([("1", ())], "path is empty"),
        ([("1", ("A", " "))], "name is blank"),
        ([("1", ("A\x1fB",))], "control character"),
        ([("", ("A",))], "id is blank"),
        ([("1", ("A" * 513,))], "513 characters"),
        ([("1", ("A",) * (MAX_DEPTH + 1))], "33 levels"),
    ],
)
def test_nodes_that_are_no_tree_are_refused(nodes: Sequence[tuple[str, tuple[str, ...]]], message: str) -> None:
    with pytest.raises(InvalidTaxonomy, match=message):
        Taxonomy("shop", "1", [CategoryNode(*node) for node in nodes])


@given(path_lists)
def test_a_tree_of_paths_holds_every_path_and_every_ancestor_of_one(paths: list[list[str]]) -> None:
    tree = Taxonomy.from_paths("shop", None, paths)
    wanted = {tuple(path[:depth]) for path in paths for depth in range(1, len(path) + 1)}
    assert set(tree.paths) == wanted
    assert all(tree.index_of_path(path) == index for index, path in enumerate(tree.paths))
    for index, path in enumerate(tree.paths):
        ancestors = tree.ancestors(index)
        assert [tree.names[ancestor] for ancestor in ancestors] == list(path)
        assert ancestors == (*(tree.ancestors(int(tree.parents[index])) if len(path) > 1 else ()), index)
        assert tree.is_leaf[index] == (tuple(path) not in {other[:-1] for other in tree.paths})
        assert tree.ancestor_matrix[index, tree.depths[index] - 1] == index
        assert (tree.ancestor_matrix[index, tree.depths[index] :] == -1).all()


@given(path_lists)
def test_an_id_depends_on_the_path_alone(paths: list[list[str]]) -> None:
    tree = Taxonomy.from_paths("shop", None, paths)
    turned = Taxonomy.from_paths("other", "2", reversed(paths))
    assert dict(zip(tree.paths, tree.ids, strict=True)) == dict(zip(turned.paths, turned.ids, strict=True))


def test_ids_made_of_paths_are_the_same_in_every_release() -> None:
    assert Taxonomy.from_paths("shop", None, ["Home > Lamps"]).ids == ("3a78695388b38b5c", "d455597e4a1663e3")


@given(path_lists)
def test_a_stored_tree_reads_back_equal(paths: list[list[str]]) -> None:
    tree = Taxonomy.from_paths("shop", None, paths)
    again = Taxonomy.from_json_bytes(tree.to_json_bytes())
    assert again == tree
    assert hash(again) == hash(tree)
    assert again.ancestor_matrix.tolist() == tree.ancestor_matrix.tolist()
    assert again.is_listed.tolist() == tree.is_listed.tolist()


@given(path_lists)
def test_parents_may_come_after_their_children(paths: list[list[str]]) -> None:
    tree = Taxonomy.from_paths("shop", None, paths)
    nodes = [CategoryNode(*node) for node in zip(tree.ids, tree.paths, strict=True)][::-1]
    turned = Taxonomy("shop", "1", nodes)
    assert Taxonomy.from_json_bytes(turned.to_json_bytes()) == turned
    for index, path in enumerate(turned.paths):
        assert [turned.names[ancestor] for ancestor in turned.ancestors(index)] == list(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parents": [1, 0]}, "its own ancestor"),
        ({"parents": [-1, 9]}, "parent 9, which is not there"),
        ({"parents": [-1, -2]}, "parents"),
        ({"parents": [-1]}, "2, 2 and 1 entries"),
        ({"names": ["A", 3]}, "names"),
        ({"ids": ["1", "1"]}, "same id"),
        ({"ids": ["1", "i" * 257]}, "length"),
        ({"format": "shelfwise.taxonomy.v9"}, "format"),
        ({"aliases": {"x": "nowhere"}}, "names no category"),
        ({"unlisted": [2]}, "node 2 is marked as unlisted but does not exist"),
        ({"unlisted": [-1]}, "unlisted"),
        ({"unlisted": [0, 1]}, "taxonomy shop lists no category"),
        ({"more": 1}, "more"),
    ],
)
def test_a_stored_tree_that_was_altered_is_refused(change: dict[str, object], message: str) -> None:
    stored = {
        "format": "shelfwise.taxonomy.v1",
        "name": "shop",
        "version": "1",
        "ids": ["1", "2"],
        "names": ["A", "B"],
        "parents": [-1, 0],
        "aliases": {},
    }
    assert len(Taxonomy.from_json_bytes(orjson.dumps(stored))) == 2
    with pytest.raises(InvalidTaxonomy, match=message):
        Taxonomy.from_json_bytes(orjson.dumps(stored | change))


def test_a_stored_chain_deeper_than_the_bound_is_refused_before_its_paths_are_built() -> None:
    count = 5_000
    stored = {
        "name": "shop",
        "version": "1",
        "ids": [str(i) for i in range(count)],
        "names": ["n"] * count,
        "parents": list(range(-1, count - 1)),
    }
    with pytest.raises(InvalidTaxonomy, match="deeper than 32"):
        Taxonomy.from_json_bytes(orjson.dumps(stored))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_bytes_that_are_no_stored_tree_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidTaxonomy, match="not a stored taxonomy"):
        Taxonomy.from_json_bytes(data)


@pytest.mark.parametrize("path", [("A", ""), (), ("A\ud800",), ("A",) * 40])
def test_a_path_out_of_bounds_makes_no_tree(path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidTaxonomy):
        Taxonomy.from_paths("shop", None, [path])


def test_the_version_of_a_tree_without_one_is_of_its_content() -> None:
    one = Taxonomy.from_paths("shop", None, ["A", "A > B"])
    assert one.version == Taxonomy.from_paths("other", None, [("A",), ("A", "B")]).version
    assert one.version != Taxonomy.from_paths("shop", None, ["A", "A > C"]).version
    assert one.version != Taxonomy.from_paths("shop", None, ["A > B"]).version
    assert one.version == "sha256-d52c19826643"


@given(path_lists)
def test_a_node_is_listed_where_a_path_ends_in_it(paths: list[list[str]]) -> None:
    tree = Taxonomy.from_paths("shop", None, paths)
    named = {tuple(path) for path in paths}
    assert [path in named for path in tree.paths] == tree.is_listed.tolist()


def test_a_node_can_be_listed_later() -> None:
    tree = Taxonomy.from_paths("shop", "3", ["A > B > C"])
    more = tree.with_listed([1])
    assert more.is_listed.tolist() == [False, True, True]
    assert (more.name, more.version, more.ids) == (tree.name, tree.version, tree.ids)
    assert more != tree
    assert more.with_listed([1, 2]) is more


def test_nodes_of_which_none_is_listed_are_refused() -> None:
    with pytest.raises(InvalidTaxonomy, match="taxonomy shop lists no category"):
        Taxonomy("shop", "1", [CategoryNode("1", ("A",), is_listed=False)])
