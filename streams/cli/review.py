"""``shelfwise review``: a reviewer decides where products belong."""

from __future__ import annotations

import getpass
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from streams.cli.options import DIRECTORY, json_option, kafka_options, load_settings
from streams.cli.output import console, print_json, progress_bar
from workers.printable import plain

if TYPE_CHECKING:
    from schemas.events.decision import NeedsReview
    from schemas.events.product import Product
    from schemas.events.review import ReviewDecided
    from schemas.taxonomy import Taxonomy
    from streams.review.answer import Chosen, Pass
    from streams.review.give import VerdictGiver
    from streams.review.queue import DecidedProducts, ReviewQueue
    from streams.settings import Settings

_PROMPT = "number, category path or id, or words to search for; n = nowhere, s = skip, b = back, q = quit: "
_SHOWN_CHARACTERS = 300


@click.command("review")
@click.option("--product", "product_id", metavar="ID", help="Decide only this product; default: all that wait.")
@click.option("--category", metavar="PATH|ID", help="With --product: the category to which it belongs.")
@click.option("--nowhere", is_flag=True, help="With --product: it belongs nowhere in the tree.")
@click.option("--title", help="With --product: its title; the verdict stands for later edits that keep it.")
@click.option("--tag", "tags", multiple=True, help="With --product: a tag to learn from. Repeatable.")
@click.option("--reviewer", help="The reviewer's name; default: the current user.")
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
    limit: int | None,
    bundle: Path | None,
    bootstrap_servers: str | None,
    as_json: bool,
) -> None:
    """Decide products that the model left to a person.

    Shows each waiting decision with the product and the likeliest categories, asks for the right one, and
    publishes the verdict on reviews.decided.v1. The verdict updates the statistics immediately, holds for later
    edits of the product as long as its title stays the same, and becomes a label with `shelfwise training-data`.
    With --product nothing is asked, for use in scripts: brand and stores are taken from the product's decision,
    only the tags given with --tag are learned from, and without --title the verdict holds for no later edit. A
    verdict on a product that was never decided becomes a dead letter.

    An answer can be corrected: b goes back to the product before, and the last answer counts. Words find the
    categories that have them all, such as `desk lamp`, numbered on from those that the model offers.

    Several people can review at the same time: each is asked in an order of their own, a product that someone else
    has answered meanwhile is skipped, and if two people answer, the last verdict counts.

    \b
    Examples:
      shelfwise review
      shelfwise review --limit 20 --reviewer desk-4
      shelfwise review --product sku-1 --category "Home > Lighting > Lamps" --title "Desk lamp, black" --tag new
      shelfwise review --product sku-2 --nowhere --json
    """
    from streams.review.give import VerdictGiver
    from workers.bundle.taxonomy_file import load_taxonomy

    if (product_id is None) != (category is None and not nowhere) or (category is not None and nowhere):
        raise click.UsageError("give --product together with either --category or --nowhere, or none of them")
    if (tags or title) and product_id is None:
        raise click.UsageError("--title and --tag need --product; those of waiting products are already known")
    settings = load_settings(bootstrap_servers)
    taxonomy = load_taxonomy(bundle or settings.bundle)
    node = None if category is None else _node(category, taxonomy)
    giver = VerdictGiver(settings, reviewer or _user())
    if product_id is not None:
        verdict = giver.give(product_id, None if node is None else taxonomy.ids[node], title=title, tags=tags)
        _tell(verdict, taxonomy, as_json=as_json)
        return
    _review_all(settings, giver, taxonomy, limit, as_json=as_json)


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


def _review_all(
    settings: Settings, giver: VerdictGiver, taxonomy: Taxonomy, limit: int | None, *, as_json: bool
) -> None:
    from contextlib import closing

    from streams.review.queue import DecidedProducts, ReviewQueue

    with progress_bar(transient=True) as bars:
        task = bars.add_task("reading what waits", total=None, note="")
        queue = ReviewQueue(settings, taxonomy, lambda: bars.advance(task))
    with closing(queue), closing(DecidedProducts(settings)) as products:
        session = _Session(queue, products, giver, taxonomy, as_json=as_json)
        found = queue.waiting()
        # In a fixed order, reviewers who start together would be asked about the same products one after the
        # other.
        random.shuffle(found)
        session.review_all([decision.product_id for decision in found[:limit]], len(found))
    left = len(found) - len(session.given) - len(session.gone)
    click.echo(f"gave {len(session.given):,} verdicts; {left:,} products are still waiting", err=True)


class _Session:
    """Asks about one product after the other.

    ``given`` maps product ids to verdicts; ``gone`` are products that others answered or that no longer wait.
    """

    def __init__(
        self,
        queue: ReviewQueue,
        products: DecidedProducts,
        giver: VerdictGiver,
        taxonomy: Taxonomy,
        *,
        as_json: bool,
    ) -> None:
        self.given: dict[str, ReviewDecided] = {}
        self.gone: set[str] = set()
        self._queue = queue
        self._products = products
        self._giver = giver
        self._taxonomy = taxonomy
        self._as_json = as_json
        # Opened once: a stream per answer would lose the answers that the first one had already buffered.
        self._answers = click.get_text_stream("stdin", errors="replace")

    def review_all(self, product_ids: Sequence[str], waiting: int) -> None:
        """Ask about each product, going back on request, until the end or ``quit``."""
        at, step = 0, 1
        while at < len(product_ids):
            answer = self._review(product_ids[at], f"{at + 1:,} of {waiting:,}")
            if answer == "quit":
                return
            # Skip a product that no longer waits in the direction of the last move.
            if answer != "gone":
                step = -1 if answer == "back" else 1
            at += step
            if at < 0:
                at, step = 0, 1

    def _review(self, product_id: str, place: str) -> Literal["given", "gone", "skip", "back", "quit"]:
        """Ask where a product belongs if it still waits, and publish the verdict; return what happened."""
        decision = self._waiting(product_id, "it is passed over")
        if decision is None:
            return "gone"
        _show(decision, self._products.of(decision), place)
        if (own := self.given.get(product_id)) is not None and own.decision_id == decision.decision_id:
            click.echo(f"  you said: {plain(_said(own, self._taxonomy))}; s leaves it", err=True)
        answer = _ask(self._answers, decision, self._taxonomy)
        if isinstance(answer, str):
            return answer
        # Reviewers take time, and must not overrule unseen what others did meanwhile.
        now = self._waiting(product_id, "your verdict was not sent")
        if now is None:
            return "gone"
        if now.decision_id != decision.decision_id:
            click.echo(
                f"{plain(product_id)} was decided again and waits again; your verdict was not sent", err=True
            )
            return "skip"
        category_id = None if answer.node is None else self._taxonomy.ids[answer.node]
        self.given[product_id] = self._giver.give(product_id, category_id, decision)
        _tell(self.given[product_id], self._taxonomy, as_json=self._as_json)
        return "given"

    def _waiting(self, product_id: str, consequence: str) -> NeedsReview | None:
        """Return the waiting decision, or report why it no longer waits and return ``None``."""
        own = self.given.get(product_id)
        found = self._queue.look_again(product_id, None if own is None else own.review_id)
        if not isinstance(found, str):
            return found
        if own is None:
            self.gone.add(product_id)
        click.echo(plain(f"{product_id} {found}; {consequence}"), err=True)
        return None


def _show(decision: NeedsReview, product: Product | None, place: str) -> None:
    from streams.clients.render import evidence_text

    def show(text: str, style: str = "") -> None:
        cut = f"{text[:_SHOWN_CHARACTERS]}…" if len(text) > _SHOWN_CHARACTERS else text
        screen.print(plain(cut), style=style, markup=False, emoji=False)

    screen = console(stderr=True)
    screen.print()
    # If the first category is nearly certain, the reviewer would wonder why the product needs review.
    why = "  (its store is new)" if decision.reason == "new_store" else ""
    show(f"{place}  {decision.product_id}{why}", "dim")
    if product is None:
        show("its event has expired; look it up by its id", "yellow")
    else:
        price = None if product.price is None else f"{product.price:,.2f} {product.currency or ''}".strip()
        tags = ", ".join(product.tag_list())
        show(product.title, "bold")
        affiliate = product.affiliate.category if product.affiliate else None
        told = (product.brand, *product.stores, product.merchant_category, affiliate, tags, price)
        if any(told):
            show(" · ".join(filter(None, told)), "dim")
        if product.attributes:
            show(", ".join(f"{name}: {value}" for name, value in product.attributes.items()), "dim")
        if product.description:
            show(product.description, "dim")
        if product.image_url:  # not truncated, for terminals that can open it
            screen.print(plain(product.image_url), style="dim", markup=False, emoji=False, soft_wrap=True)
    for number, item in enumerate(decision.alternatives, 1):
        show(f"  {number}  {item.probability:.2f}  {' > '.join(item.category.path)}")
    if reasons := evidence_text(decision.evidence):
        show(f"  why the first: {reasons}", "dim")


def _ask(answers: TextIO, decision: NeedsReview, taxonomy: Taxonomy) -> Chosen | Pass:
    """Ask until the answer is a verdict, ``skip``, ``back`` or ``quit``.

    The results of the last search get numbers that continue those of the alternatives, which keep theirs.
    """
    from streams.review.answer import Found, understand

    shown: Sequence[int | None] = [taxonomy.find_id(item.category.id) for item in decision.alternatives]
    offered = shown
    while True:
        click.echo(_PROMPT, nl=False, err=True)
        line = answers.readline()
        if not line:  # Ctrl-D, or the end of a pipe
            click.echo(err=True)
            return "quit"
        answer = understand(line, offered, taxonomy)
        if not isinstance(answer, Found):
            return answer
        if not answer.total:
            click.echo(f"{line.strip()!r} is not a number in the list and matches no category", err=True)
            continue
        offered = [*shown, *answer.nodes]
        for number, node in enumerate(answer.nodes, len(shown) + 1):
            click.echo(f"  {number}  {plain(taxonomy.path_text(node))}", err=True)
        if answer.total > len(answer.nodes):
            click.echo(f"  and {answer.total - len(answer.nodes):,} more; give more words", err=True)


def _tell(verdict: ReviewDecided, taxonomy: Taxonomy, *, as_json: bool) -> None:
    from schemas.events.codec import encode

    if as_json:
        print_json(encode(verdict))
        return
    click.echo(plain(f"{verdict.product_id}: {_said(verdict, taxonomy)}"))


def _said(verdict: ReviewDecided, taxonomy: Taxonomy) -> str:
    if verdict.category_id is None:
        return "nowhere"
    return taxonomy.path_text(taxonomy.index_of_id(verdict.category_id))
