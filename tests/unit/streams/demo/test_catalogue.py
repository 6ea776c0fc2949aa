from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from schemas.errors import InvalidProducts
from streams.demo import catalogue
from workers.product_files import ProductFile


def test_the_sample_is_made_once_and_its_feed_is_apart_from_what_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "SAMPLE_PRODUCTS", 100)
    monkeypatch.setattr(catalogue, "_SAMPLE_TRAINING", 60)
    first = catalogue.sample(tmp_path)
    (file,) = tmp_path.glob("*.jsonl")
    written = file.stat().st_mtime_ns
    second = catalogue.sample(tmp_path)
    assert file.stat().st_mtime_ns == written
    assert first.digest == second.digest
    assert (len(first.training), len(first.feed)) == (60, 40)
    assert not {item.product.product_id for item in first.training} & {
        item.product.product_id for item in first.feed
    }


def test_a_fifth_of_ones_own_catalogue_is_fed_and_equal_titles_stay_together(tmp_path: Path) -> None:
    rows = [
        {"product_id": f"{number}-{copy}", "title": f"Cup  {number}" if copy else f"cup {number}"}
        | {"category_path": ["Home", "Cups" if number % 2 else "Lamps"]}
        for number in range(500)
        for copy in (0, 1)
    ]
    file = tmp_path / "own.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    made = catalogue.own(ProductFile(file), file, None)
    assert len(made.training) + len(made.feed) == 1_000
    assert 100 < len(made.feed) < 300
    fed = {item.product.title.casefold().replace("  ", " ") for item in made.feed}
    learned = {item.product.title.casefold().replace("  ", " ") for item in made.training}
    assert not fed & learned
    assert made.taxonomy.find_path("Home > Lamps") is not None


def test_too_few_products_for_a_demo_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_bytes(b'{"product_id": "1", "title": "Cup"}')
    with pytest.raises(InvalidProducts, match="1 products are too few"):
        catalogue.own(ProductFile(file), file, None)
