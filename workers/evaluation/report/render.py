"""Fill the report's template with the document of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workers.evaluation.report import descriptions, plots, words
from workers.whole_file import whole_file

_TEMPLATE: Final = "report.html.j2"
_CATEGORIES: Final = 500
_CONFUSIONS: Final = 25
_SLICE_GROUPS: Final = 30


def render_report(document: dict[str, Any]) -> str:
    """Return the report as HTML; ``document`` is what :func:`workers.evaluation.evaluate.evaluate` returns.

    Everything that comes from products, categories or files is escaped.
    """
    # Autoescape unconditionally: a title or a path may contain any markup.
    environment = Environment(
        loader=PackageLoader("workers.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": words.percent, "thousands": words.thousands, "plain": words.plain}
    return environment.get_template(_TEMPLATE).render(
        d=document,
        headline=words.headline(document),
        remarks=words.remarks(document),
        tiles=words.tiles(document),
        segments=words.segments(document),
        slices=words.slice_tables(document, _SLICE_GROUPS),
        confusions=document["confusions"][:_CONFUSIONS],
        categories=document["categories"][:_CATEGORIES],
        described=descriptions.describe_all(document),
        plots={name: Markup(svg) for name, svg in plots.draw_all(document).items()},  # noqa: S704 - drawn by us
    )


def write_report(document: dict[str, Any], path: Path) -> None:
    """Write the report; it appears under its name only once it is complete. Raises :class:`InvalidFile`."""
    html = render_report(document)
    with whole_file(path) as file:
        file.write(html.encode())
