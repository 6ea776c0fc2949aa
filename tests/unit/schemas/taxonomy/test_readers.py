from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy import Taxonomy, read_taxonomy, source, validate_taxonomy

GOOGLE = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Animals\n3237 - Animals > Live Animals\n"
SHOPIFY = (
    "# Shopify Product Taxonomy - Categories: 2026-08\n# Format: {GID} : {Ancestor name} > ...\n\n"
    "gid://shopify/TaxonomyCategory/ap     : Animals\n"
    "gid://shopify/TaxonomyCategory/ap-1   : Animals > Live Animals\n"
)
PATHS = {("Animals",), ("Animals", "Live Animals")}

names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=5)
trees = st.lists(st.lists(names.filter(lambda name: ">" not in name), min_size=1, max_size=4), min_size=1)


def _read(folder: Path, text: str | bytes, name: str = "tree.txt", **options: object) -> Taxonomy:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_taxonomy(file, **options)  # type: ignore[arg-type]


def test_google_text_gives_its_ids_and_version(tmp_path: Path) -> None:
    tree = _read(tmp_path, GOOGLE)
    assert (tree.name, tree.version, tree.ids) == ("google", "2021-09-21", ("1", "3237"))
    assert set(tree.paths) == PATHS


def test_google_text_without_ids_gives_ids_made_of_the_paths(tmp_path: Path) -> None:
    tree = _read(tmp_path, re.sub(r"(?m)^\d+ - ", "", GOOGLE))
    assert (tree.name, tree.version) == ("google", "2021-09-21")
    assert tree.ids == Taxonomy.from_paths("google", None, sorted(PATHS)).ids


def test_shopify_text_gives_its_ids_and_version(tmp_path: Path) -> None:
    tree = _read(tmp_path, SHOPIFY)
    assert (tree.name, tree.version) == ("shopify", "2026-08")
    assert tree.index_of_id("gid://shopify/TaxonomyCategory/ap-1") == 1
    assert set(tree.paths) == PATHS


def test_ids_with_letters_are_read_from_a_file_without_a_header(tmp_path: Path) -> None:
    tree = _read(tmp_path, "abcat001 - Toys - Games\nabcat002 - Toys - Games > Puzzles\n")
    assert tree.ids == ("abcat001", "abcat002")
    assert tree.paths[1] == ("Toys - Games", "Puzzles")
    assert tree.version.startswith("sha256-")


def test_a_dash_in_a_bare_path_is_no_id(tmp_path: Path) -> None:
    assert _read(tmp_path, "Toys - Games\nToys - Games > Puzzles\n").paths[0] == ("Toys - Games",)


def test_a_name_that_starts_with_a_hash_is_no_comment(tmp_path: Path) -> None:
    assert _read(tmp_path, "# a comment\n#1 Gifts\n").names == ("#1 Gifts",)


@pytest.mark.parametrize(
    "text",
    [
        "path\nAnimals\nAnimals > Live Animals\n",
        "path\nAnimals\nAnimals>Live Animals\n",
        "category_path,id\nAnimals,1\nAnimals > Live Animals,2\n",
        "ID;Category Path\n1;Animals\n2;Animals > Live Animals\n",
        "id\tpath\n1\tAnimals\n2\tAnimals > Live Animals\n",
        "Level 2,Level 1\n,Animals\nLive Animals,Animals\n",
        "level_1|level_2|id\nAnimals||1\nAnimals|Live Animals|2\n",
        "id,parent_id,name\n2,1,Live Animals\n1,,Animals\n",
        "id,parent_id,name\n1,NULL,Animals\n2,1,Live Animals\n",
    ],
)
def test_every_delimited_layout_gives_the_same_paths(tmp_path: Path, text: str) -> None:
    assert set(_read(tmp_path, text, "tree.csv").paths) == PATHS
    assert set(_read(tmp_path, text, "tree.txt").paths) == PATHS


def test_another_separator_can_be_named(tmp_path: Path) -> None:
    assert _read(tmp_path, "path\nAnimals / Live Animals\n", separator=" / ").names == (
        "Animals",
        "Live Animals",
    )


def test_commas_and_quotes_stay_in_names(tmp_path: Path) -> None:
    quoted = 'id,path\n1,"Home, Garden > 32"" Screens"\n'
    assert _read(tmp_path, quoted, "tree.csv").paths[-1] == ("Home, Garden", '32" Screens')
    assert _read(tmp_path, 'id\tpath\n1\tScreens 32" > Wide\n', "tree.tsv").paths[0] == ('Screens 32"',)
    assert _read(tmp_path, "path\nHome, Garden\n").names == ("Home, Garden",)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + GOOGLE.encode(),
        GOOGLE.replace("\n", "\r\n").encode(),
        GOOGLE.replace("\n", "\r").encode(),
        GOOGLE.replace("\n", "\n\n  \n").encode(),
        GOOGLE.rstrip().encode(),
    ],
)
def test_marks_line_endings_and_blank_lines_change_nothing(tmp_path: Path, data: bytes) -> None:
    assert _read(tmp_path, data) == _read(tmp_path, GOOGLE, "other.txt")


def test_a_missing_parent_is_created_before_its_child(tmp_path: Path) -> None:
    tree = _read(tmp_path, "7 - Home > Lamps > Desk\n8 - Home > Lamps\n")
    assert tree.paths == (("Home",), ("Home", "Lamps", "Desk"), ("Home", "Lamps"))
    assert tree.ids == ("3a78695388b38b5c", "7", "8")
    assert tree.is_listed.tolist() == [False, True, True]


def test_a_path_with_two_ids_is_one_category_found_by_both(tmp_path: Path) -> None:
    tree = _read(tmp_path, "1 - Home\n2 - Home\n3 - Home > Lamps\n")
    assert len(tree) == 2
    assert tree.index_of_id("2") == tree.index_of_id("1") == 0


def test_a_category_without_a_name_of_its_own_is_left_out(tmp_path: Path) -> None:
    assert _read(tmp_path, GOOGLE + "9 - Animals > \n").ids == ("1", "3237")
    assert _read(tmp_path, "id,parent_id,name\n1,,Home\n2,1,\n").ids == ("1",)


def test_what_was_settled_with_a_warning_is_counted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _read(tmp_path, GOOGLE + "9 - Animals\n10 - Home > Lamps > Desk\n")
    assert "missing_parent 2, duplicate_path 1; `shelfwise taxonomy check`" in caplog.text


def test_a_repeated_line_is_read_once(tmp_path: Path) -> None:
    assert _read(tmp_path, GOOGLE + "1 - Animals\n").ids == ("1", "3237")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "holds no category"),
        (b"# only a comment\n", "holds no category"),
        (b"1 - Caf\xe9\n", r"line 1: byte 8 of the line is not UTF-8: '1 - Caf\\\\xe9'; save"),
        ("1 - Home".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"1 - Home\n1 - Garden\n", "line 2: the id '1' of line 1 again.*own id"),
        (b"1 - Home\nGarden\n", "line 2: not a line of the format google: 'Garden'; write it like"),
        (b"1 - Home >  > Lamps\n", "line 1: a name is blank"),
        (b"1 - Ho\x07me\n", "control character"),
        (b"1 - " + b" > ".join([b"a"] * 33), "33 levels; it may have 32"),
        (b"1 - " + b"a" * 513, "513 characters; it may have 512"),
        (b"id,parent_id,name\n1,2,A\n2,3,B\n3,2,C\n4,,D\n", "line 3: 2 categories.*'2 -> 3 -> 2'"),
        (b"id,parent_id,name\n1,1,A\n", "1 categories are their own.*'1 -> 1'"),
        (b"id,parent_id,name\n1,9,A\n", "line 2: the parent '9' is not in the file"),
        (b"id,parent_id,name\n1,,A\n1,,B\n", "line 3: the id of line 2 again"),
        (b"id,parent_id,name\n,,A\n", "line 2: the id is blank"),
        (b"id,path\n1,Home, Garden\n", "line 2: 3 cells under a header of 2.*quote the cell"),
        (b'id,path\n1,"Home\n', "line 2: .*close the quotes"),
        (b"level_1,level_2\n,Lamps\n", "line 2: a level is blank above"),
        (b"path,id\n,1\n", "line 2: a name is blank"),
    ],
)
def test_a_file_that_is_no_tree_is_refused_with_line_text_and_remedy(
    tmp_path: Path, text: bytes, message: str
) -> None:
    with pytest.raises(InvalidTaxonomy, match=message) as raised:
        _read(tmp_path, text)
    assert "tree.txt" in str(raised.value)


def test_a_csv_without_columns_of_categories_says_which_to_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidTaxonomy, match=r"'sku,price' names no columns.*'path'"):
        _read(tmp_path, "sku,price\n1,2\n", "tree.csv")


def test_a_chain_of_parents_deeper_than_the_bound_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i - 1 if i else ''},n\n" for i in range(5_000))
    with pytest.raises(InvalidTaxonomy, match="deeper than 32 levels"):
        _read(tmp_path, "id,parent_id,name\n" + rows)


def test_a_file_over_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 40)
    with pytest.raises(InvalidTaxonomy, match="over 40 bytes"):
        _read(tmp_path, GOOGLE)
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 4_000)
    monkeypatch.setattr(source, "MAX_LINES", 2)
    with pytest.raises(InvalidTaxonomy, match="line 3: over 2 lines"):
        _read(tmp_path, GOOGLE)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTaxonomy, match=r"nowhere\.txt: No such file"):
        read_taxonomy(tmp_path / "nowhere.txt")


def test_an_unknown_format_or_a_blank_separator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTaxonomy, match="'ebay' is unknown; choose one of google, shopify"):
        _read(tmp_path, GOOGLE, format="ebay")
    with pytest.raises(InvalidTaxonomy, match="separator ' ' is blank"):
        _read(tmp_path, GOOGLE, separator=" ")


@given(paths=trees)
def test_a_tree_written_as_google_text_reads_back(
    tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]]
) -> None:
    tree = Taxonomy.from_paths("google", "1", paths)
    lines = [f"{index + 1} - {tree.path_text(index)}" for index in range(len(tree))]
    text = "\n".join(["# Google_Product_Taxonomy_Version: 1", *lines])
    again = _read(tmp_path_factory.getbasetemp(), text)
    assert (again.name, again.version, again.paths) == (tree.name, tree.version, tree.paths)


@given(paths=trees)
def test_a_tree_written_with_parent_ids_reads_back(
    tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]]
) -> None:
    tree = Taxonomy.from_paths("tree", None, paths)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["id", "parent_id", "name"])
    for index in reversed(range(len(tree))):
        parent = int(tree.parents[index])
        writer.writerow([tree.ids[index], tree.ids[parent] if parent >= 0 else "", tree.names[index]])
    again = _read(tmp_path_factory.getbasetemp(), file.getvalue(), "tree.csv")
    assert dict(zip(again.ids, again.paths, strict=True)) == dict(zip(tree.ids, tree.paths, strict=True))


_fragments = st.sampled_from(
    ["id", "path", "name", "parent_id", "level_1", "level_2", "1", "2", "A", "b", " > ", ">", " - ", " : ", ",",
     "\t", ";", "|", '"', "\n", "\r", "# ", "gid://x", "\ufeff", "\x00", "\x1f", "\u2028", " ", "\xe9"]
)  # fmt: skip


@given(st.one_of(st.lists(_fragments, max_size=40).map(lambda parts: "".join(parts).encode()), st.binary()))
def test_any_bytes_give_a_tree_or_a_clear_refusal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    refusals: list[str] = []
    for name in ("any.csv", "any.txt"):
        file = file.with_name(name)
        file.write_bytes(data)
        try:
            tree = read_taxonomy(file)
        except InvalidTaxonomy as error:
            refusals.append(str(error))
            continue
        report = validate_taxonomy(file)
        assert (report.valid, report.nodes) == (True, len(tree))
        assert Taxonomy.from_json_bytes(tree.to_json_bytes()) == tree
    assert all(str(file.with_suffix("")) in refusal for refusal in refusals)
