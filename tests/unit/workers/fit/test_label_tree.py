"""Labels make a tree, whatever letters, widths and spaces they were typed in."""

from __future__ import annotations

import pytest

from schemas.errors import InvalidProducts
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.fit.label_tree import likely_separator, other_spellings, taxonomy_of_labels
from workers.fit.labels import label_products, require_known
from workers.product_files import LabelledProduct


def rows(*paths: str | None) -> list[LabelledProduct]:
    products = [Product(product_id=f"p{number}", title=f"thing {number}") for number in range(len(paths))]
    return [
        LabelledProduct(product, tuple(path.split(" > ")) if path else None, None, 1)
        for product, path in zip(products, paths, strict=True)
    ]


def texts(tree: Taxonomy) -> list[str]:
    return [tree.path_text(node) for node in range(len(tree))]


def test_without_a_taxonomy_the_labels_make_one() -> None:
    assert texts(taxonomy_of_labels(rows("X > Y", "X > Z", None))) == ["X", "X > Y", "X > Z"]
    with pytest.raises(InvalidProducts, match="no product has a category_path"):
        taxonomy_of_labels(rows(None))


def test_a_label_in_other_letters_is_the_same_category() -> None:
    labelled = rows("home > lamps", "Home > Lamps", "Home > Lamps", "HOME > \uff2camps", "HOME > Vases")
    tree = taxonomy_of_labels(labelled)
    assert texts(tree) == ["Home", "Home > Lamps", "Home > Vases"]
    assert label_products(labelled, tree).labels.tolist() == [1, 1, 1, 1, 2]
    assert other_spellings(labelled, tree) == {
        ("home", "lamps"): 1,
        ("HOME", "\uff2camps"): 1,
        ("HOME", "Vases"): 2,
    }


def test_of_spellings_that_are_as_frequent_the_first_is_taken() -> None:
    assert texts(taxonomy_of_labels(rows("home", "Home", "Home > Cups", "home > Cups"))) == ["home", "home > Cups"]


def test_a_name_is_spelled_in_each_place_as_most_labels_there_spell_it() -> None:
    labelled = rows("Home > TV", "Home > TV", "Shop > Tv", "Shop > TV", "Shop > Tv")
    assert texts(taxonomy_of_labels(labelled)) == ["Home", "Home > TV", "Shop", "Shop > Tv"]


@pytest.mark.parametrize(
    ("labels", "separator"),
    [
        (["Home / Lamps", "Home / Cups", "Home / TV/Audio", "Sale"], " / "),
        (["Home/Lamps", "Home / Cups", "Sale"], "/"),
        (["Home \u00bb Lamps", "Home \u00bb Cups"], "\u00bb"),
        (["Home::Lamps"], "::"),
        (["\u5bb6\u96fb\uff1e\u7167\u660e", "\u5bb6\u5177\uff1e\u68da"], "\uff1e"),
        (["TV/Audio", "Lamps"], None),
        (["TV/Audio", "Home/Cups", "Home > Lamps"], None),
    ],
)
def test_a_separator_is_likely_where_most_names_of_a_flat_tree_have_it(
    labels: list[str], separator: str | None
) -> None:
    assert likely_separator(taxonomy_of_labels(rows(*labels))) == separator


@pytest.mark.parametrize("skip_unknown", [False, True])
def test_labels_whose_names_are_parted_otherwise_than_read_are_told_of(skip_unknown: bool) -> None:
    tree = taxonomy_of_labels(rows("Home > Lamps"))
    with pytest.raises(InvalidProducts, match="use --path-separator '/'"):
        require_known(
            label_products(rows("Moon", "home/lamps"), tree, skip_unknown=skip_unknown), tree, "name another"
        )
    with pytest.raises(InvalidProducts, match=r"Moon/Lamps( \(1\))?; (correct|name)"):
        require_known(label_products(rows("Moon/Lamps"), tree, skip_unknown=skip_unknown), tree, "name another")
