"""The dialogue with a reviewer: one product after the other is shown, and asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TextIO

import click
from rich.console import Console
from rich.text import Text

from schemas.events.codec import encode
from schemas.events.decision import NeedsReview
from schemas.events.product import Product
from schemas.events.review import ReviewDecided
from schemas.taxonomy import Taxonomy
from streams.cli.output import console, print_json
from streams.clients.render import evidence_text
from streams.review.answer import Chosen, Found, Pass, understand
from streams.review.give import VerdictGiver
from streams.review.queue import DecidedProducts, ReviewQueue
from workers.printable import plain

_PROMPT: Final = "number, category path or id, or words to search for; n = nowhere, s = skip, b = back, q = quit: "
_SHOWN_CHARACTERS: Final = 300


class Session:
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
        while at < len(product_ids) or self._goes_back():
            if at == len(product_ids):
                at, step = at - 1, -1
            answer = self._review(product_ids[at], f"{at + 1:,} of {waiting:,}")
            if answer == "quit":
                return
            # Skip a product that no longer waits in the direction of the last move.
            if answer != "gone":
                step = -1 if answer == "back" else 1
            at += step
            if at < 0:
                at, step = 0, 1

    def _goes_back(self) -> bool:
        """Ask at the end, if anything was answered, whether to go back; the last answer may be the wrong one."""
        if not self.given:
            return False
        click.echo("that was the last product; b = back, Enter = end: ", nl=False, err=True)
        line = self._answers.readline()
        if not line.endswith("\n"):
            click.echo(err=True)
        return understand(line, (), self._taxonomy) == "back"

    def _review(self, product_id: str, place: str) -> Literal["given", "gone", "skip", "back", "quit"]:
        """Ask where a product belongs if it still waits, and publish the verdict; return what happened."""
        decision = self._waiting(product_id, "it is passed over")
        if decision is None:
            return "gone"
        product = self._products.of(decision)
        _show(decision, product, place)
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
        title = product.title if product else None
        self.given[product_id] = self._giver.give(product_id, category_id, decision, title=title)
        self.gone.discard(product_id)
        tell(self.given[product_id], self._taxonomy, as_json=self._as_json)
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
    def show(text: str, style: str = "", indent: int = 0) -> None:
        screen.print(_paragraph(text, style, indent, screen))

    screen = console(stderr=True)
    screen.print()
    # If the first category is nearly certain, the reviewer would wonder why the product needs review.
    why = "  (its store is new)" if decision.reason == "new_store" else ""
    show(f"{place}  {decision.product_id}{why}", "dim")
    if product is None:
        if decision.title:
            show(decision.title, "bold")
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
        show(f"  {number}  {item.probability:.2f}  {' > '.join(item.category.path)}", indent=11)
    if reasons := evidence_text(decision.evidence):
        show(f"  why the first: {reasons}", "dim", indent=2)


def _paragraph(text: str, style: str, indent: int, screen: Console) -> Text:
    """Return a text, cut if it is long, whose further lines on a terminal are indented by so many columns."""
    cut = f"{text[:_SHOWN_CHARACTERS]}…" if len(text) > _SHOWN_CHARACTERS else text
    shown = Text(plain(cut), style)
    if not indent or screen.soft_wrap:
        return shown
    return Text(f"\n{' ' * indent}").join(shown.wrap(screen, screen.width - indent))


def _ask(answers: TextIO, decision: NeedsReview, taxonomy: Taxonomy) -> Chosen | Pass:
    """Ask until the answer is a verdict, ``skip``, ``back`` or ``quit``.

    The results of the last search get numbers that continue those of the alternatives, which keep theirs.
    """
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


def tell(verdict: ReviewDecided, taxonomy: Taxonomy, *, as_json: bool) -> None:
    """Print a verdict, as JSON or as one line."""
    if as_json:
        print_json(encode(verdict))
        return
    click.echo(plain(f"{verdict.product_id}: {_said(verdict, taxonomy)}"))


def _said(verdict: ReviewDecided, taxonomy: Taxonomy) -> str:
    if verdict.category_id is None:
        return "nowhere"
    return taxonomy.path_text(taxonomy.index_of_id(verdict.category_id))
