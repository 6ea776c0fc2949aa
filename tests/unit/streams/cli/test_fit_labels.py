"""``shelfwise fit`` says what it made of labels and columns that may not mean what they seem to."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import main
from workers.bundle.bundle import load_bundle


def test_a_shops_own_ids_that_are_ids_of_the_tree_too_are_refused_until_they_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "tree.txt").write_text("# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Animals\n2 - Home\n")
    (tmp_path / "products.csv").write_text("product_id,title,category_path,category_id\n7,Desk lamp,Home,1\n")
    files = ["--products", str(tmp_path / "products.csv"), "--taxonomy", str(tmp_path / "tree.txt")]
    arguments = ["fit", *files, "--out", str(tmp_path / "bundle")]
    refused = CliRunner().invoke(main, arguments)
    assert (refused.exit_code, "'7' with 1 (Animals) and Home" in refused.stderr) == (1, True), refused.output
    result = CliRunner().invoke(main, [*arguments, "--column", "category_id="])
    assert result.exit_code == 0, result.output


def test_fit_says_which_column_it_did_not_read_for_its_letters(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("product_id,title,Brand,category_path\n1,Cup,Lumo,Home > Cups\n")
    files = ["--products", str(tmp_path / "products.csv"), "--out", str(tmp_path / "bundle")]
    said = "column 'Brand' is not read; if it holds the brand, use --column brand=Brand\n"
    for options, times in (([], 1), (["--column", "brand=Brand"], 0), (["--column", "brand="], 0)):
        result = CliRunner().invoke(main, ["fit", *files, *options])
        assert (result.exit_code, result.stderr.count(said)) == (0, times), result.output


def test_fit_warns_of_labels_that_look_like_paths_until_it_is_told_what_parts_them(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text(
        "product_id,title,category_path\n1,Cup,Home / Cups\n2,Lamp,Home / Lamps\n3,Cd,Sale\n"
    )
    files = ["--products", str(tmp_path / "products.csv"), "--out", str(tmp_path / "bundle")]
    warned = CliRunner().invoke(main, ["fit", *files])
    said = "all 3 categories are top-level, and most of their names contain ' / ', such as 'Home / Cups'"
    assert (warned.exit_code, said in warned.stderr) == (0, True), warned.output
    told = CliRunner().invoke(main, ["fit", *files, "--path-separator", " / "])
    assert (told.exit_code, "top-level" in told.stderr) == (0, False), told.output
    tree = load_bundle(tmp_path / "bundle").taxonomy
    assert [tree.path_text(node) for node in range(len(tree))] == ["Home", "Home > Cups", "Home > Lamps", "Sale"]


def test_fit_says_which_spellings_of_a_category_it_merged(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text(
        "product_id,title,category_path\n1,Cup,Home > Cups\n2,Mug,Home > Cups\n3,Bowl,HOME > cups\n"
    )
    files = ["--products", str(tmp_path / "products.csv"), "--out", str(tmp_path / "bundle")]
    result = CliRunner().invoke(main, ["fit", *files])
    assert result.exit_code == 0, result.output
    assert "merged 1 spellings of categories" in result.stderr
    assert "HOME > cups into Home > Cups" in result.stderr


def test_fit_says_how_many_new_products_a_tree_of_labels_will_have_no_category_for(tmp_path: Path) -> None:
    rows = ["product_id,title,category_path", "1,Cup,Home > Cups", "2,Mug,Home > Cups", "3,Lamp,Home > Lamps"]
    (tmp_path / "products.csv").write_text("\n".join(rows))
    (tmp_path / "tree.txt").write_text("Home\nHome > Cups\nHome > Lamps\n")
    files = ["--products", str(tmp_path / "products.csv"), "--out", str(tmp_path / "bundle")]
    said = "1 of 3 products are the only one in their category: expect about 33% of new products"
    for options, is_said in (([], True), (["--taxonomy", str(tmp_path / "tree.txt")], False)):
        result = CliRunner().invoke(main, ["fit", *files, *options])
        assert (result.exit_code, said in " ".join(result.output.split())) == (0, is_said), result.output


def test_fit_says_how_many_products_occur_with_different_labels(tmp_path: Path) -> None:
    rows = ["product_id,title,category_path", "1,Cup,Home > Cups", "1,Cup,Home > Mugs", "2,Mug,Home > Mugs"]
    files = ["--products", str(tmp_path / "products.csv"), "--out", str(tmp_path / "bundle")]
    for more, is_said in (["2,Mug,Home > Mugs"], True), (["3,Jug,Home > Jugs"], False):
        (tmp_path / "products.csv").write_text("\n".join([*(rows if is_said else rows[:2]), *more]))
        result = CliRunner().invoke(main, ["fit", *files])
        said = "1 product ids occur with different labels, such as '1', and the model learned them all"
        assert (result.exit_code, said in " ".join(result.output.split())) == (0, is_said), result.output


def test_fit_says_how_to_name_the_labels_where_it_finds_none(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("product_id,title,Kategorie\n1,Cup,Home > Cups\n")
    files = ["--products", str(tmp_path / "products.csv"), "--out", str(tmp_path / "bundle")]
    refused = CliRunner().invoke(main, ["fit", *files])
    assert (refused.exit_code, "--column category_path=NAME" in refused.stderr) == (1, True), refused.output
    assert "--taxonomy FILE" in refused.stderr


@pytest.mark.parametrize("rows", ["", '1,Cup,Home,"14,99"\n'])
def test_a_file_without_a_product_that_can_be_read_is_said_to_have_none(tmp_path: Path, rows: str) -> None:
    (tmp_path / "products.csv").write_text("product_id,title,category_path,price\n" + rows)
    files = ["--products", str(tmp_path / "products.csv"), "--out", str(tmp_path / "bundle")]
    refused = CliRunner().invoke(main, ["fit", *files, "--skip-invalid"])
    assert (refused.exit_code, "holds no product that can be read" in refused.stderr) == (1, True), refused.output
