"""Show decisions and dead letters to people and to scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from rich.text import Text

from schemas.events.dead_letter import DeadLetter
from schemas.events.decision import CategoryAssigned, Decision, Evidence, NeedsReview, outcome_of
from streams.clients.subscriber import Received
from workers.printable import plain

_EVIDENCE: Final = 3
_ALTERNATIVES: Final = 3
_KIND_WIDTH: Final = 12
_TITLE_CHARACTERS: Final = 48


def decision_text(decision: Decision, *, with_id: bool = False) -> Text:
    """Return one line with the outcome, its confidence, the product, the category and the evidence."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if isinstance(decision, NeedsReview):
        text.append("needs review".ljust(_KIND_WIDTH), "yellow")
        category = " | ".join(
            f"{' > '.join(item.category.path)} {item.probability:.2f}"
            for item in decision.alternatives[:_ALTERNATIVES]
        )
    else:
        kind, style = ("backed off", "cyan") if decision.backed_off else ("assigned", "green")
        text.append(kind.ljust(_KIND_WIDTH), style)
        category = " > ".join(decision.category.path)
    text.append(f" {decision.confidence:4.2f}  ", "bold")
    if with_id or decision.title is None:
        text.append(plain(decision.product_id), "dim")
        text.append(" " if decision.title else "")
    text.append(plain(_short(decision.title or "")))
    text.append("  ->  ", "dim")
    text.append(plain(category) or "no candidate", "bold")
    if isinstance(decision, NeedsReview) and decision.reason == "new_store":
        text.append("  (its store is new)", "yellow")
    if decision.review_id is not None:
        text.append("  (by a person's verdict)", "green")
    if shown := evidence_text(decision.evidence):
        text.append(f"  [{plain(shown)}]", "dim")
    return text


def _short(title: str) -> str:
    return title if len(title) <= _TITLE_CHARACTERS else title[: _TITLE_CHARACTERS - 1] + "…"


def evidence_text(evidence: tuple[Evidence, ...]) -> str:
    """Return the strongest evidence, up to three items: ``linear_text #1 +2.10, brand_frequency #3 -0.20``."""
    return ", ".join(
        f"{item.signal}{f' #{item.rank}' if item.rank else ''} {item.contribution:+.2f}"
        for item in evidence[:_EVIDENCE]
    )


def dead_letter_text(letter: DeadLetter, key: bytes | None) -> Text:
    """Return one line with the reason, the stage, the attempt, the event and the details."""
    text = Text("dead letter ".ljust(_KIND_WIDTH), "red", no_wrap=True, overflow="ellipsis")
    text.append(f" {plain(letter.reason)}", "bold")
    text.append(f" at {plain(letter.stage)}, attempt {letter.attempt}: ")
    text.append(f"{plain(key.decode(errors='replace')) if key else 'no key'} ", "dim")
    text.append(f"({plain(letter.source_topic)}[{letter.source_partition}]@{letter.source_offset}) ", "dim")
    text.append(plain(letter.detail))
    return text


def received_text(received: Received) -> Text:
    """Return one line for any message, beginning with its time."""
    when = datetime.fromtimestamp(received.timestamp_ms / 1000, UTC).astimezone()
    text = Text(f"{when:%H:%M:%S} ", "dim", no_wrap=True, overflow="ellipsis")
    content = received.content
    if isinstance(content, DeadLetter):
        return text + dead_letter_text(content, received.key)
    if isinstance(content, CategoryAssigned | NeedsReview):
        return text + decision_text(content, with_id=True)
    key = plain((received.key or b"").decode(errors="replace"))
    if content is None:
        return text + Text(f"{'withdrawn'.ljust(_KIND_WIDTH)} {key} from {received.topic}", "dim")
    return text + Text(f"{'unreadable'.ljust(_KIND_WIDTH)} {key}: {plain(content)}", "red")


def received_json(received: Received) -> bytes:
    """Return a message as one JSON object: ``kind``, topic, partition, offset, ``timestamp_ms``, key and content.

    The original value of a dead letter is in ``value``, as base64 (RFC 4648).
    """
    content = received.content
    fields: dict[str, Any] = {
        "kind": kind_of(received),
        "topic": received.topic,
        "partition": received.partition,
        "offset": received.offset,
        "timestamp_ms": received.timestamp_ms,
        "key": None if received.key is None else received.key.decode(errors="replace"),
    }
    if isinstance(content, DeadLetter):
        fields |= {"dead_letter": content, "value": received.value}
    elif isinstance(content, str):
        fields["problem"] = content
    elif content is not None:
        fields["decision"] = content
    return msgspec.json.encode(fields)


def kind_of(received: Received) -> str:
    """Return ``assigned``, ``backed_off``, ``needs_review``, ``dead_letter``, ``withdrawn`` or ``unreadable``."""
    match received.content:
        case CategoryAssigned() | NeedsReview() as decision:
            return str(outcome_of(decision))
        case DeadLetter():
            return "dead_letter"
        case None:
            return "withdrawn"
        case _:
            return "unreadable"
