"""The messages of ``shelfwise fit`` about the tree made from labels and about the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from streams.cli.output import console
from workers.printable import plain

if TYPE_CHECKING:
    from rich.table import Table

    from schemas.taxonomy import Taxonomy
    from workers.fit.fit import FitReport
    from workers.fit.labels import LabelledProducts
    from workers.product_files import LabelledProduct

_SHOWN: Final = 3
_WIDTH: Final = 100
# From this share of products on, warn that about as many new products will belong to categories without a label.
_MANY_ALONE: Final = 0.01


def tell_of_tree(rows: list[LabelledProduct], tree: Taxonomy) -> None:
    """Report on standard error how labels were turned into a tree, if it may not be what the user meant."""
    _tell_of_spellings(rows, tree)
    _tell_of_separator(tree)


def print_figures(report: FitReport) -> None:
    """Print the figures as a table."""
    screen = console()
    if not screen.is_terminal:
        # Rich takes lines in a pipe to have 80 columns, and would break names.
        screen.width = max(screen.width, _WIDTH)
    screen.print(_table(report))


def tell_of_fit(report: FitReport, labelled: LabelledProducts, *, tree_of_labels: bool) -> None:
    """Warn on standard error about properties of the model that the user may not expect."""
    _tell_of_labels(labelled)
    _tell_of_several_labels(labelled)
    if tree_of_labels:
        _tell_of_lone_products(report)
    _tell_of_assignments(report)
    _tell_of_new_stores(report)
    _tell_of_new_brands(report)


def _tell_of_spellings(rows: list[LabelledProduct], tree: Taxonomy) -> None:
    """Report on standard error which spellings of a category were merged into another."""
    from workers.fit.label_tree import other_spellings

    if others := other_spellings(rows, tree):
        examples = list(others.items())[:_SHOWN]
        shown = plain("; ".join(f"{' > '.join(path)} into {tree.path_text(node)}" for path, node in examples))
        click.echo(
            f"merged {len(others):,} spellings of categories that differ only in case, width or spaces: {shown}",
            err=True,
        )


def _tell_of_separator(tree: Taxonomy) -> None:
    """Warn on standard error if the labels' names look like paths."""
    from workers.fit.label_tree import likely_separator

    if (separator := likely_separator(tree)) is not None:
        example = next(name for name in tree.names if separator in name)
        click.secho(
            f"all {len(tree):,} categories are top-level, and most of their names contain {separator!r}, such as"
            f" {example!r}; if that separates the names of a path, use --path-separator {separator!r}",
            err=True,
            fg="yellow",
        )


def _tell_of_labels(labelled: LabelledProducts) -> None:
    """Warn if most labels are not in the tree: it may be the wrong file."""
    if labelled.unknown > len(labelled.products):
        click.echo(
            f"{labelled.unknown:,} products were left out, more than the {len(labelled.products):,} fitted on, as "
            "their categories are not in the tree. Is it the tree of this file?",
            err=True,
        )


def _tell_of_several_labels(labelled: LabelledProducts) -> None:
    """Warn if products occur with different labels: that may be a mistake, and the model learns all of them."""
    from workers.fit.labels import ids_with_several_labels

    if found := ids_with_several_labels(labelled):
        shown = plain(", ".join(map(repr, found[:_SHOWN])))
        click.echo(
            f"{len(found):,} product ids occur with different labels, such as {shown}, and the model learned them"
            " all; unless these products belong in several categories, keep only the right row of each",
            err=True,
        )


def _tell_of_lone_products(report: FitReport) -> None:
    """Warn about the share of new products that will belong to no category of the labels' tree.

    Source: Good (1953) estimates the probability of unseen species by the share of species seen once.
    """
    products, alone = report.metrics["products"], report.metrics["products_alone_in_category"]
    if products and alone >= _MANY_ALONE * products:
        click.echo(
            f"{alone:,} of {products:,} products are the only one in their category: expect about"
            f" {alone / products:.0%} of new products to belong to categories that no label names; these cannot be"
            " classified correctly, and the figures do not include them. Give the whole tree with --taxonomy",
            err=True,
        )


def _tell_of_assignments(report: FitReport) -> None:
    """Warn if nothing will be assigned at all, because nobody asked for that."""
    if not report.metrics["out_of_fold"].get("coverage"):
        click.echo(
            "nothing will be assigned: even for the most confident products it is not certain enough that they "
            "keep the error budget. Label more products, or raise the budget with --max-error",
            err=True,
        )


def _tell_of_new_stores(report: FitReport) -> None:
    """Warn if every product of new stores will go to review, because nobody asked for that."""
    found = report.metrics["out_of_fold"].get("new_stores")
    if found is not None and not found["usable_coverage"]:
        click.echo(
            f"products of stores with fewer than {found['labelled_below']} labelled products will go to review: "
            "too little is known about how often they are right. Label more products from these or other stores",
            err=True,
        )


def _tell_of_new_brands(report: FitReport) -> None:
    """Warn if no product of a new brand will be assigned, because nobody asked for that."""
    measured = report.metrics["out_of_fold"]
    if measured.get("coverage") and not measured["new_brands"]["assignable"]:
        found = measured["new_brands"]
        click.echo(
            "products of brands without a labelled product will be backed off or go to review: the "
            f"{found['products']} such products decided out of fold are not enough to tell how often the next is "
            "right. Label products of more brands",
            err=True,
        )


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
