"""``shelfwise sample``: write the sample catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.options import DIRECTORY


@click.command("sample")
@click.option("--out", type=DIRECTORY, default=Path("var/sample"), show_default=True)
@click.option("--products", type=click.IntRange(min=1, max=10_000_000), default=20_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
def command(out: Path, products: int, seed: int) -> None:
    """Write the sample catalogue, products.jsonl, and its category tree, taxonomy.csv.

    The same seed gives the same products on every machine.

    \b
    Examples:
      shelfwise sample
      shelfwise sample --out /tmp/catalogue --products 5000 --seed 1
    """
    from workers.sample import write_catalogue, write_taxonomy

    out.mkdir(parents=True, exist_ok=True)
    write_taxonomy(out / "taxonomy.csv")
    write_catalogue(out / "products.jsonl", seed, products)
    click.echo(f"wrote {products:,} products and their tree; next:")
    click.echo(f"  shelfwise fit --products {out}/products.jsonl --taxonomy {out}/taxonomy.csv --out var/bundle")
