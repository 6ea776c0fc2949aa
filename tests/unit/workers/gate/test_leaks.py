"""Gold products that a bundle was fitted on are recognised by what the bundle keeps of them."""

from __future__ import annotations

from pathlib import Path

from schemas.events.product import Product
from tests.sample_model import FITTED, sample_products
from workers.bundle.training import TRAINING, TrainingFingerprint
from workers.leaks import find_leaks


def products(*titles: str, brand: str | None = None) -> list[Product]:
    return [Product(product_id=title, title=title, brand=brand) for title in titles]


def test_exact_and_near_duplicates_are_told_apart() -> None:
    training = TrainingFingerprint.of(
        [
            *products("Desk lamp, black", brand="Lumo"),
            *products("One two three four five six seven eight nine ten"),
        ]
    )
    gold = [
        *products("DESK LAMP  BLACK", brand="lumo"),
        *products("desk lamp black", brand="Other"),
        *products("one two three four five six seven eight nine eleven"),
        *products("one two three", "desk", "?!"),
    ]
    leaks, leaked = find_leaks(training, gold)
    assert leaked.tolist() == [True, True, True, False, False, False]
    assert (leaks.training_products, leaks.exact, leaks.near) == (2, 1, 2)
    assert [(example.training_product, example.similarity) for example in leaks.examples] == [
        (0, 1.0),
        (0, 1.0),
        (1, 0.818),
    ]


def test_a_bundle_knows_the_products_that_it_was_fitted_on(sample_bundle: Path) -> None:
    training = TrainingFingerprint.load(sample_bundle)
    seen = [row.product for row in sample_products(7, FITTED) if row.category_path]
    leaks, leaked = find_leaks(training, seen)
    assert leaked.all()
    assert leaks.exact == len(seen) == leaks.training_products
    _, leaked = find_leaks(training, [row.product for row in sample_products(8, 300)])
    assert leaked.mean() < 0.1


def test_a_fingerprint_holds_no_text_and_is_small(sample_bundle: Path) -> None:
    data = (sample_bundle / TRAINING).read_bytes()
    titles = [row.product.title for row in sample_products(7, 100)]
    assert not any(word.encode() in data for title in titles for word in title.split() if len(word) > 5)
    assert len(data) < FITTED * (32 * 8 + 16) + 1_000


def test_a_long_title_keeps_32_words(tmp_path: Path) -> None:
    fingerprint = TrainingFingerprint.of(products(" ".join(f"word{i}" for i in range(500))))
    fingerprint.save(tmp_path)
    restored = TrainingFingerprint.load(tmp_path)
    assert restored is not None
    assert restored.titles.sizes.tolist() == [32]
    assert (restored.identities == fingerprint.identities).all()


def test_a_bundle_made_without_says_so(tmp_path: Path) -> None:
    assert TrainingFingerprint.load(tmp_path) is None
    leaks, leaked = find_leaks(None, products("a"))
    assert leaks.training_products is None
    assert not leaked.any()
