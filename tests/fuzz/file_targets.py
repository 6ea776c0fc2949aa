"""Targets: every file that a person gives us."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.events.codec import encode
from schemas.events.product import decode_product
from schemas.taxonomy import FORMATS, read_taxonomy
from schemas.taxonomy.tree import Taxonomy
from streams.replay.progress_file import Remaining, ReplayProgress, load_progress, save_progress
from streams.replay.span import parse_bound
from tests.fuzz.event_targets import PRODUCTS
from tests.fuzz.target import Target
from workers.encoders.json_file import read_json
from workers.product_files import ColumnMap, ProductFile
from workers.product_files.file import Format

_ROWS: Final = (
    *PRODUCTS,
    (
        b'{"product_id":7,"title":"Cup","store":"One","attributes":"{\\"a\\":1}","stores":"A|B",'
        b'"category_path":"Home > Cups"}'
    ),
    (
        b'{"product_id":"8","title":"Cup","category_path":["Home","Cups"],"category_id":9,"price":"12.5",'
        b'"affiliate_network":"N"}'
    ),
)
_CSV: Final = (
    b'product_id,title,price,category_path,stores\n1,Cup,1.5,Home > Cups,A|B\n2,"Lamp, black",,Home,\n',
    b'product_id;title;attributes\r\n1;Cup;"{""a"":1}"\r\n2;"two\nlines";\r\n',
    b"\xef\xbb\xbfproduct_id,title\n1,Cup\n\n3,\xc3\xa9\n",
)
_TSV: Final = (b'product_id\ttitle\tcategory_id\n1\tScreen 32"\t5\n2\tCup\t6\n',)
_TREES: Final = (
    b"# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Animals\n3237 - Animals > Live Animals\n2 - Arts\n",
    (
        b"# Shopify Product Taxonomy - Categories: 2024-07\ngid://shopify/TaxonomyCategory/ap : Animals\n"
        b"gid://shopify/TaxonomyCategory/ap-1 : Animals > Live Animals\n"
    ),
    b"Home\nHome > Cups\nHome > Lamps > Desk\n",
    b"Home>Cups\nHome>Lamps\n",
    b"id,path\n1,Home\n2,Home > Cups\n",
    b"id,parent_id,name\n1,,Home\n2,1,Cups\n3,2,Mugs\n",
    b"id\tlevel 1\tlevel 2\n1\tHome\t\n2\tHome\tCups\n",
    b'category_id;parent;title\n1;;Home\n2;1;"Cups; mugs"\n',
)


def _rows(form: Format) -> Callable[[bytes, Random], None]:
    """Every product that a file gives is one that the stream takes."""

    def run(data: bytes, chance: Random) -> None:
        columns = ColumnMap.parse(["brand=title"]) if chance.random() < 0.1 else None
        skip = chance.random() < 0.7
        file = ProductFile(io.BytesIO(data), format=form, columns=columns, on_error="skip" if skip else "raise")
        for item in file:
            assert decode_product(encode(item.product)) == item.product

    return run


def _path_rows(path: Path) -> Callable[[bytes, Random], None]:
    def run(data: bytes, chance: Random) -> None:
        path.write_bytes(data)
        skip = chance.random() < 0.7
        for item in ProductFile(path, on_error="skip" if skip else "raise"):
            assert decode_product(encode(item.product)) == item.product

    return run


def _trees(directory: Path) -> Callable[[bytes, Random], None]:
    def run(data: bytes, chance: Random) -> None:
        path = directory / f"tree.{chance.choice(('txt', 'csv', 'tsv'))}"
        path.write_bytes(data)
        form = chance.choice((None, None, *FORMATS))
        tree = read_taxonomy(path, format=form)
        again = Taxonomy.from_json_bytes(tree.to_json_bytes())
        assert again == tree
        assert len(tree) == 0 or tree.find_path(tree.paths[-1]) is not None

    return run


def _progress(path: Path) -> Callable[[bytes, Random], None]:
    def run(data: bytes, chance: Random) -> None:
        if chance.random() < 0.3:
            parse_bound(data[:40].decode(errors="replace"))
        else:
            path.write_bytes(data)
            load_progress(path)

    return run


def _json_file(path: Path) -> Callable[[bytes, Random], None]:
    def run(data: bytes, _chance: Random) -> None:
        path.write_bytes(data)
        read_json(path)

    return run


def _parquet(directory: Path) -> list[bytes]:
    """Return small files of strings, lists, maps, times and numbers, compressed and not."""
    tables = [
        pa.table({"product_id": ["1", "2"], "title": ["Cup", None], "price": [1.5, None], "stores": [["A"], []]}),
        pa.table(
            {
                "product_id": [1, 2],
                "title": ["Cup", "Lamp"],
                "attributes": pa.array([[("a", "b")], None], pa.map_(pa.string(), pa.string())),
                "updated_at": pa.array([0, 1], pa.timestamp("us")),
            }
        ),
    ]
    found = []
    for table in tables:
        for compression in ("none", "snappy", "zstd"):
            path = directory / "made.parquet"
            pq.write_table(table, path, compression=compression)
            found.append(path.read_bytes())
    return found


def file_targets(directory: Path) -> Sequence[Target]:
    """Return them; they write to ``directory``."""
    saved = directory / "saved.json"
    save_progress(saved, ReplayProgress(topic="t", begin="0", end=None, partitions=[Remaining(0, 1, 2)]))
    tree = directory / "sample.csv"
    tree.write_bytes(_TREES[4])
    zipped = [gzip.compress(item, 1) for item in (b"\n".join(_ROWS), _ROWS[0])]
    return (
        Target("products.jsonl", [*_ROWS, b"\n".join(_ROWS)], _rows("jsonl"), 8, json_share=0.0),
        Target("one product a line", _ROWS, _rows("jsonl"), 8, json_share=1.0),
        Target("products.csv", _CSV, _rows("csv"), 8),
        Target("products.tsv", _TSV, _rows("tsv"), 4),
        Target("products.jsonl.gz", zipped, _path_rows(directory / "rows.jsonl.gz"), 3),
        Target("products.parquet", _parquet(directory), _path_rows(directory / "rows.parquet"), 1),
        Target("taxonomy", _TREES, _trees(directory), 8),
        Target(
            "stored taxonomy",
            [read_taxonomy(tree).to_json_bytes()],
            lambda data, _chance: Taxonomy.from_json_bytes(data),
            4,
            json_share=0.7,
        ),
        Target("replay progress", [saved.read_bytes(), b"2026-01-31T08:00"], _progress(saved), 2),
        Target("json file", [b'{"kind":"static"}'], _json_file(directory / "encoder.json"), 2),
    )
