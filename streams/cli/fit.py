"""``shelfwise fit``: make a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.fit_report import print_figures, tell_of_fit, tell_of_tree
from streams.cli.options import DIRECTORY, FILE, label_option, product_file, product_options, taxonomy_options
from streams.cli.output import print_json, steps_progress, tell_skipped

if TYPE_CHECKING:
    from workers.encoders.base import Encoder
    from workers.fit.fit import CascadeOptions
    from workers.fit.fit_ranking import RankingOptions
    from workers.fit.labels import LabelledProducts


@click.command("fit")
@click.option("--products", type=FILE, required=True, help="Labelled products.")
@click.option("--taxonomy", type=FILE, help="The category tree; default: the tree of the labels' paths.")
@taxonomy_options("--taxonomy-format", "--taxonomy-separator")
@click.option(
    "--out", type=DIRECTORY, default=Path("var/bundle"), show_default=True, help="The bundle's directory."
)
@click.option(
    "--encoder",
    default="static",
    show_default=True,
    metavar="static|DIR",
    help="'static' is built in; DIR is a sentence encoder made by `shelfwise encoder`.",
)
@click.option(
    "--cascade",
    metavar="DIR",
    help="A sentence encoder made by `shelfwise encoder`, used only for products that the rest is unsure of.",
)
@click.option(
    "--cascade-share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.3,
    show_default=True,
    help="The share of products that --cascade is asked about.",
)
@click.option(
    "--max-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The error budget: the largest share of decisions that may be wrong.  [default: 0.05]",
)
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Cross-fitting folds.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--skip-unknown-categories", is_flag=True, help="Leave out products whose category is not in the tree."
)
@product_options
@label_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    *,
    products: Path,
    taxonomy: Path | None,
    taxonomy_form: str | None,
    separator: str,
    out: Path,
    encoder: str,
    cascade: str | None,
    cascade_share: float,
    max_error: float | None,
    folds: int,
    seed: int,
    skip_unknown_categories: bool,
    columns: tuple[str, ...],
    form: str | None,
    skip_invalid: bool,
    path_separator: str | None,
    as_json: bool,
) -> None:
    """Make a model bundle from labelled products and a category tree.

    A label is the column category_path (a list, or text such as "Home > Lamps") or category_id, an id from the
    tree. If the tree knows both, they must mean the same category; use --column category_id= to ignore a shop's
    own ids. Without --taxonomy, spellings that differ only in case, width or spaces become one category. An
    existing bundle in the same directory is replaced once the new one is complete.

    \b
    Examples:
      shelfwise fit --products products.jsonl --taxonomy tree.txt --out var/bundle
      shelfwise fit --products shop.csv --column title=Name --column category_path=Category
      shelfwise fit --products products.parquet --taxonomy tree.csv --encoder var/encoders/minilm
      shelfwise fit --products products.jsonl --taxonomy tree.txt --taxonomy-separator /
      shelfwise fit --products shop.csv --path-separator " / "
      shelfwise fit --products products.jsonl --cascade var/encoders/minilm --cascade-share 0.3
    """
    from schemas.errors import InvalidProducts
    from schemas.taxonomy import read_taxonomy
    from workers.fit.fit import FitOptions, fit
    from workers.fit.label_tree import taxonomy_of_labels
    from workers.fit.labels import label_products, require_known

    source = product_file(products, columns, form, skip_invalid=skip_invalid, path_separator=path_separator)
    rows = list(source)
    tell_skipped(source)
    if not rows:
        raise InvalidProducts(f"{products} holds no product that can be read; give a file of products")
    tree = (
        read_taxonomy(taxonomy, format=taxonomy_form, separator=separator)
        if taxonomy
        else taxonomy_of_labels(rows)
    )
    if taxonomy is None:
        tell_of_tree(rows, tree)
    labelled = label_products(rows, tree, skip_unknown=skip_unknown_categories)
    del rows
    # A model fitted on no products must not replace a good bundle.
    require_known(labelled, tree, "name the tree of this file")
    _require_labels(labelled, products, out)
    options = FitOptions(
        encoder=_encoder(encoder),
        cascade=_cascade(cascade, cascade_share),
        folds=folds,
        seed=seed,
        ranking=_ranking_options(max_error, seed),
    )
    with steps_progress() as progress:
        report = fit(labelled, tree, out, options, progress)
    if as_json:
        import msgspec

        print_json(msgspec.json.encode({"manifest": report.manifest, "metrics": report.metrics}))
    else:
        print_figures(report)
    tell_of_fit(report, labelled, tree_of_labels=taxonomy is None)
    click.echo(f"the model bundle is in {out}; next: shelfwise classify --bundle {out} --title ...", err=True)


def _require_labels(labelled: LabelledProducts, file: Path, out: Path) -> None:
    """Refuse a fit without labels if it looks like a mistake; a tree alone is enough for a model."""
    if labelled.products:
        return
    from schemas.bundle import MANIFEST
    from schemas.errors import InvalidProducts

    found = f"{file} holds {labelled.unlabelled:,} products, none with a label"
    remedy = "name the column of the labels with --column category_path=NAME"
    if (out / MANIFEST).exists():
        raise InvalidProducts(f"{found}; {remedy}, or keep the model in {out} and name another --out")
    click.echo(f"{found}: the model knows only the names of categories. If there are labels, {remedy}", err=True)


def _encoder(name: str) -> Encoder | None:
    if name == "static":
        return None
    from workers.encoders.onnx import OnnxEncoder

    return OnnxEncoder.load(Path(name))


def _cascade(directory: str | None, share: float) -> CascadeOptions | None:
    if directory is None:
        return None
    from workers.encoders.onnx import OnnxEncoder
    from workers.fit.fit import CascadeOptions

    return CascadeOptions(OnnxEncoder.load(Path(directory)), share)


def _ranking_options(max_error: float | None, seed: int) -> RankingOptions:
    from workers.fit.fit_ranking import RankingOptions
    from workers.ranking.error_budget import ErrorBudget
    from workers.ranking.ranker import RankerOptions

    budget = ErrorBudget() if max_error is None else ErrorBudget(max_error=max_error)
    return RankingOptions(budget, RankerOptions(seed=seed))
