"""``shelfwise review``: a reviewer decides where products belong."""

from __future__ import annotations

import getpass
import random
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from streams.cli.options import DIRECTORY, json_option, kafka_options, load_settings
from streams.cli.output import progress_bar
from workers.printable import plain

if TYPE_CHECKING:
    from schemas.taxonomy import Taxonomy
    from streams.review.give import VerdictGiver
    from streams.review.part import Part
    from streams.settings import Settings

_ROOTS_SHOWN: Final = 5


@click.command("review")
@click.option("--product", "product_id", metavar="ID", help="Decide only this product; default: all that wait.")
@click.option("--category", metavar="PATH|ID", help="With --product: the category to which it belongs.")
@click.option("--nowhere", is_flag=True, help="With --product: it belongs nowhere in the tree.")
@click.option("--title", help="With --product: its title; the verdict stands for later edits that keep it.")
@click.option("--tag", "tags", multiple=True, help="With --product: a tag to learn from. Repeatable.")
@click.option("--reviewer", help="The reviewer's name; default: the current user.")
@click.option(
    "--store",
    "stores",
    metavar="NAME",
    multiple=True,
    help="Ask only about products of this store. Repeatable.",
)
@click.option(
    "--under", metavar="PATH|ID", help="Ask only about products whose likeliest category is this one or below it."
)
@click.option("--limit", type=click.IntRange(min=1), help="Ask about at most this many products.")
@click.option("--bundle", type=DIRECTORY, help="Whose tree to use, in place of SHELFWISE_BUNDLE (var/bundle).")
@kafka_options
@json_option
def command(
    *,
    product_id: str | None,
    category: str | None,
    nowhere: bool,
    title: str | None,
    tags: tuple[str, ...],
    reviewer: str | None,
    stores: tuple[str, ...],
    under: str | None,
    limit: int | None,
    bundle: Path | None,
    bootstrap_servers: str | None,
    as_json: bool,
) -> None:
    """Decide products that the model left to a person.

    Shows each waiting decision with the product and the likeliest categories, asks for the right one, and
    publishes the verdict on reviews.decided.v1. The product is then decided as the verdict says, and so are its
    later edits as long as its title stays the same. The verdict also updates the statistics, and becomes a label
    with `shelfwise training-data`.

    With --product nothing is asked, for use in scripts: brand and stores are taken from the product's decision,
    only the tags given with --tag are learned from, and without --title the verdict changes no decision. A
    verdict on a product without a decision is refused; to find out, one partition of each decision topic is read.

    An answer can be corrected: b goes back to the product before, and the last answer counts. Words find the
    categories that have them all, such as `desk lamp`, numbered on from those that the model offers.

    Several people can review at the same time: each is asked in an order of their own, a product that someone else
    has answered meanwhile is skipped, and if two people answer, the last verdict counts.

    With --store or --under, people with different knowledge share the work. A product without a candidate is under
    no category, so --under never shows it.

    \b
    Examples:
      shelfwise review
      shelfwise review --store lamps.example --under "Home > Lighting"
      shelfwise review --limit 20 --reviewer desk-4
      shelfwise review --product sku-1 --category "Home > Lighting > Lamps" --title "Desk lamp, black" --tag new
      shelfwise review --product sku-2 --nowhere --json
    """
    from streams.cli.review_session import tell
    from streams.review.give import VerdictGiver
    from streams.review.part import Part
    from workers.bundle.taxonomy_file import load_taxonomy
    from workers.statistics import normalise_key

    if (product_id is None) != (category is None and not nowhere) or (category is not None and nowhere):
        raise click.UsageError("give --product together with either --category or --nowhere, or none of them")
    if (tags or title) and product_id is None:
        raise click.UsageError("--title and --tag need --product; those of waiting products are already known")
    if (stores or under) and product_id is not None:
        raise click.UsageError("--store and --under choose among waiting products; omit them with --product")
    settings = load_settings(bootstrap_servers)
    taxonomy = load_taxonomy(bundle or settings.bundle)
    node = None if category is None else _node(category, taxonomy)
    part = Part(frozenset(map(normalise_key, stores)), None if under is None else _path(under, taxonomy))
    giver = VerdictGiver(settings, reviewer or _user(), taxonomy.version)
    if product_id is not None:
        _require_decided(settings, product_id)
        verdict = giver.give(product_id, None if node is None else taxonomy.ids[node], title=title, tags=tags)
        tell(verdict, taxonomy, as_json=as_json)
        return
    _review_all(settings, giver, taxonomy, part, limit, as_json=as_json)


def _require_decided(settings: Settings, product_id: str) -> None:
    """Raise :class:`schemas.errors.InvalidEvent` if no decision names the product: the id may be mistyped."""
    from schemas.errors import InvalidEvent
    from schemas.events.dead_letter import Reason
    from streams.review.decided import was_decided

    if not was_decided(settings, product_id):
        raise InvalidEvent(
            Reason.UNKNOWN_PRODUCT,
            f"no decision names the product {product_id!r}, and the verdict is not published; correct the id, or"
            " wait until the product is decided",
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        raise click.UsageError("the current user has no name; name the reviewer with --reviewer") from None


def _node(category: str, taxonomy: Taxonomy) -> int:
    from streams.review.answer import Found, find_category, understand

    if (node := find_category(category, taxonomy)) is not None:
        return node
    near = understand(category, (), taxonomy)
    shown = "; ".join(map(taxonomy.path_text, near.nodes)) if isinstance(near, Found) else ""
    raise click.BadParameter(
        f"the tree has no category {category!r}" + (f"; is it one of these? {shown}" if shown else ""),
        param_hint="--category",
    )


def _path(category: str, taxonomy: Taxonomy) -> tuple[str, ...]:
    """Return the path of a category, which may be one that the tree does not list, such as a department."""
    from streams.review.answer import find_node

    if (node := find_node(category, taxonomy)) is None:
        roots = "; ".join(plain(taxonomy.names[root]) for root in taxonomy.roots[:_ROOTS_SHOWN])
        raise click.BadParameter(
            f"the tree has no category {category!r}; its top level begins with {roots}", param_hint="--under"
        )
    return taxonomy.paths[node]


def _review_all(
    settings: Settings, giver: VerdictGiver, taxonomy: Taxonomy, part: Part, limit: int | None, *, as_json: bool
) -> None:
    from contextlib import closing

    from streams.cli.review_session import Session
    from streams.review.queue import DecidedProducts, ReviewQueue

    with progress_bar(transient=True) as bars:
        task = bars.add_task("reading what waits", total=None, note="")
        queue = ReviewQueue(settings, taxonomy, lambda: bars.advance(task))
    with closing(queue), closing(DecidedProducts(settings)) as products:
        session = Session(queue, products, giver, taxonomy, as_json=as_json)
        waiting = queue.waiting()
        found = [decision for decision in waiting if part.has(decision)]
        # In a fixed order, reviewers who start together would be asked about the same products one after the
        # other.
        random.shuffle(found)
        session.review_all([decision.product_id for decision in found[:limit]], len(found))
    left = len(found) - len(session.given) - len(session.gone)
    others = len(waiting) - len(found)
    told = f" in this part, and {others:,} in others" if others else ""
    click.echo(f"gave {len(session.given):,} verdicts; {left:,} products are still waiting{told}", err=True)
