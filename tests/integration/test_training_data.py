"""Verdicts on a real Kafka become training data, and a model is fitted on it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import orjson
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from schemas.events.codec import encode
from schemas.events.product import Product
from schemas.topics import PRODUCTS_CHANGED, REVIEWS_DECIDED
from streams.cli import main
from tests.sample_model import sample_products
from tests.worker_harness import Installation
from workers.bundle.taxonomy_file import load_taxonomy
from workers.product_files import ProductFile


def run(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return result


def decide(installation: Installation, verdicts: Iterable[tuple[str, str | None]]) -> None:
    """Say of each product which category it belongs to."""
    producer = Producer(installation.connection.producer_config())
    for product_id, category_id in verdicts:
        event = {"review_id": "r", "product_id": product_id, "category_id": category_id, "reviewer": "one"}
        value = orjson.dumps(event | {"decided_at": "2026-01-02T03:04:05Z"})
        producer.produce(installation.name(REVIEWS_DECIDED), key=product_id, value=value)
    producer.flush()


def write(path: Path, products: list[Product], category_path: tuple[str, ...]) -> Path:
    rows = [json.loads(encode(product)) | {"category_path": list(category_path)} for product in products]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def test_the_last_verdict_on_each_product_is_learned_from_with_what_was_last_published(
    installation: Installation, tmp_path: Path
) -> None:
    tree = load_taxonomy(installation.bundle)
    first, second = tree.ids[3], tree.ids[4]
    a, b, c = (Product(product_id=name, title=f"Cup {name}") for name in "abc")
    installation.publish_products([a, Product(product_id="a", title="Cup a, edited"), b])
    installation.send(PRODUCTS_CHANGED, "b", None)
    installation.send(PRODUCTS_CHANGED, "a", b"{")
    decide(
        installation,
        [("a", first), ("a", second), ("a", "gone"), ("b", first), ("c", None), ("d", first), ("e", first)],
    )
    installation.send(REVIEWS_DECIDED, "e", None)
    installation.send(REVIEWS_DECIDED, "f", b"{")
    labelled = write(tmp_path / "labelled.jsonl", [c, Product(product_id="z", title="Cup z")], tree.paths[3])
    out = tmp_path / "next.jsonl"
    counts = json.loads(run("training-data", "--products", labelled, "--out", out, "--json").stdout)
    found = {item.product.product_id: (item.product.title, item.category_path) for item in ProductFile(out)}
    assert found == {
        "z": ("Cup z", tree.paths[3]),
        "a": ("Cup a, edited", tree.paths[4]),
        # A product that was removed since teaches all the same.
        "b": ("Cup b", tree.paths[3]),
    }
    assert counts == {
        "written": 3,
        "verdicts": 4,
        "invalid": 1,
        "unknown_category": 1,
        "kept": 1,
        "withdrawn": 1,
        "repeated": 0,
        "confirmed": 0,
        "corrected": 0,
        "added": 2,
        "nowhere": 1,
        "without_product": 1,
    }


def test_a_model_fitted_on_verdicts_alone_decides_as_people_did(
    installation: Installation, tmp_path: Path
) -> None:
    tree = load_taxonomy(installation.bundle)
    rows = sample_products(5, 200)
    labels = {row.product.product_id: tree.find_path(row.category_path or ()) for row in rows}
    installation.publish_products(row.product for row in rows)
    decide(installation, ((name, None if node is None else tree.ids[node]) for name, node in labels.items()))
    out = tmp_path / "next.jsonl"
    assert "added one" in run("training-data", "--out", out).output
    run("fit", "--products", out, "--out", tmp_path / "new")
    decided = run("classify", "--bundle", tmp_path / "new", out).stdout.splitlines()
    likeliest = {
        event["product_id"]: event["alternatives"][0]["category"]["path"] for event in map(json.loads, decided)
    }
    right = [tuple(likeliest[name]) == tree.paths[node] for name, node in labels.items() if node is not None]
    assert sum(right) > 0.9 * len(right)


def test_what_cannot_be_written_or_read_is_told(installation: Installation, tmp_path: Path) -> None:
    assert "there is no directory" in run("training-data", "--out", tmp_path / "no" / "x", status=2).output
    problem = run("training-data", "--out", tmp_path / "x", "--bundle", tmp_path, status=1).output
    assert "is no model bundle" in problem
    assert not (tmp_path / "x").exists()
    (tmp_path / "kept").write_bytes(b"{}")
    assert "was not written" in run("training-data", "--out", tmp_path / "kept", status=1).output
    assert (tmp_path / "kept").read_bytes() == b"{}"
