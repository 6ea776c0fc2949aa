"""``shelfwise fit``: a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import DIRECTORY, FILE, label_option, product_file, product_options, taxonomy_options
from streams.cli.output import console, print_json, steps_progress, tell_skipped

if TYPE_CHECKING:
    from rich.table import Table

    from schemas.taxonomy import Taxonomy
    from workers.encoders.base import Encoder
    from workers.fit.fit import CascadeOptions, FitReport
    from workers.fit.fit_ranking import RankingOptions
    from workers.fit.labels import LabelledProducts
    from workers.product_files import LabelledProduct

_SHOWN = 3


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
    help="'static' comes with the package; DIR holds one of `shelfwise encoder`.",
)
@click.option(
    "--cascade",
    metavar="DIR",
    help="A sentence encoder, from `shelfwise encoder`, to ask about the products that the rest is unsure of.",
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
    help="The error budget: the greatest share of wrong assignments.",
)
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Of the cross-fitting.")
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

    A label is the column category_path (a list, or text such as "Home > Lamps") or category_id, an id of the tree.
    Where the tree knows both, they must be of one category; --column category_id= leaves a shop's own ids unread.
    Without --taxonomy, spellings that differ only in case, width or spaces make one category. An older bundle in
    the same place is replaced when the new one is whole.

    \b
    Examples:
      shelfwise fit --products products.jsonl --taxonomy tree.txt --out var/bundle
      shelfwise fit --products shop.csv --column title=Name --column category_path=Category
      shelfwise fit --products products.parquet --taxonomy tree.csv --encoder var/encoders/minilm
      shelfwise fit --products products.jsonl --taxonomy tree.txt --taxonomy-separator /
      shelfwise fit --products shop.csv --path-separator " / "
      shelfwise fit --products products.jsonl --cascade var/encoders/minilm --cascade-share 0.3
    """
    from schemas.taxonomy import read_taxonomy
    from workers.fit.fit import FitOptions, fit
    from workers.fit.label_tree import taxonomy_of_labels
    from workers.fit.labels import place, require_known

    source = product_file(products, columns, form, skip_invalid=skip_invalid, path_separator=path_separator)
    rows = list(source)
    tell_skipped(source)
    tree = (
        read_taxonomy(taxonomy, format=taxonomy_form, separator=separator)
        if taxonomy
        else taxonomy_of_labels(rows)
    )
    if taxonomy is None:
        _tell_of_spellings(rows, tree)
        _tell_of_separator(tree)
    labelled = place(rows, tree, skip_unknown=skip_unknown_categories)
    del rows
    # What is fitted on none of them would take a good bundle's place.
    require_known(labelled, f"taxonomy {tree.name} {tree.version}", "name the tree of this file")
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
        return
    console().print(_table(report))
    _tell_of_labels(labelled)
    _tell_of_assignments(report)
    _tell_of_new_stores(report)
    _tell_of_new_brands(report)
    click.echo(f"the model bundle is in {out}; next: shelfwise classify --bundle {out} --title ...")


def _tell_of_spellings(rows: list[LabelledProduct], tree: Taxonomy) -> None:
    """Say on standard error which spellings of a category were merged into another."""
    from workers.fit.label_tree import other_spellings

    if others := other_spellings(rows, tree):
        examples = list(others.items())[:_SHOWN]
        shown = "; ".join(f"{' > '.join(path)} into {tree.path_text(node)}" for path, node in examples)
        click.echo(
            f"merged {len(others):,} spellings of categories that differ only in case, width or spaces: {shown}",
            err=True,
        )


def _tell_of_separator(tree: Taxonomy) -> None:
    """Warn on standard error where the names of the labels look like paths."""
    from workers.fit.label_tree import likely_separator

    if (separator := likely_separator(tree)) is not None:
        example = next(name for name in tree.names if separator in name)
        click.secho(
            f"all {len(tree):,} categories are at the top, and most of their names have {separator!r}, such as"
            f" {example!r}; if that parts the names of a path, say --path-separator {separator!r}",
            err=True,
            fg="yellow",
        )


def _require_labels(labelled: LabelledProducts, file: Path, out: Path) -> None:
    """Refuse a fit without a label where it looks like a mistake; a tree alone makes a model too."""
    if labelled.products:
        return
    from schemas.bundle import MANIFEST
    from schemas.errors import InvalidProducts

    if not labelled.unlabelled:
        raise InvalidProducts(f"{file} holds no product that can be read; give a file of products")
    found = f"{file} holds {labelled.unlabelled:,} products, none with a label"
    remedy = "name the column of the labels with --column category_path=NAME"
    if (out / MANIFEST).exists():
        raise InvalidProducts(f"{found}; {remedy}, or keep the model in {out} and name another --out")
    click.echo(f"{found}: the model knows the names of the categories alone; else {remedy}", err=True)


def _tell_of_labels(labelled: LabelledProducts) -> None:
    """Say where most labels are of another tree: the file may be the wrong one."""
    if labelled.unknown > len(labelled.products):
        click.echo(
            f"{labelled.unknown:,} products were left out, more than the {len(labelled.products):,} fitted on, as "
            "their categories are not in the tree. Is it the tree of this file?"
        )


def _tell_of_assignments(report: FitReport) -> None:
    """Say where nothing at all will be assigned: nobody asked for it."""
    if not report.metrics["out_of_fold"].get("coverage"):
        click.echo(
            "nothing will be assigned: not even of the surest products is it certain enough that they keep the "
            "error budget. Label more products, or allow more with --max-error"
        )


def _tell_of_new_stores(report: FitReport) -> None:
    """Say where a person will be asked about all that new stores sell: nobody asked for it."""
    found = report.metrics["out_of_fold"].get("new_stores")
    if found is not None and not found["usable_coverage"]:
        click.echo(
            f"products of stores with fewer than {found['labelled_below']} labelled products will go to review: "
            "too little is known of what becomes of them. Label more products of them, or of more stores"
        )


def _tell_of_new_brands(report: FitReport) -> None:
    """Say where nothing of new brands will be assigned: nobody asked for it."""
    measured = report.metrics["out_of_fold"]
    if measured.get("coverage") and not measured["new_brands"]["assignable"]:
        found = measured["new_brands"]
        click.echo(
            "products of brands without a labelled product will be backed off or go to review: what became of "
            f"{found['products']} of them, decided out of fold, does not tell how sure to be of the next. "
            "Label products of more brands"
        )


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


def _table(report: FitReport) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("model version", report.manifest.model_version)
    table.add_row("taxonomy", escape(f"{report.manifest.taxonomy_name} {report.manifest.taxonomy_version}"))
    table.add_row("encoder", escape(report.manifest.encoder))
    if report.manifest.cascade_encoder is not None:
        table.add_row("cascade", escape(report.manifest.cascade_encoder))
    for name, value in _flat(report.metrics):
        table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else f"{value:,}")
    return table


def _flat(metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in metrics.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            found += _flat(value, f"{label}: ")
        elif isinstance(value, int | float):
            found.append((label, value))
    return found
