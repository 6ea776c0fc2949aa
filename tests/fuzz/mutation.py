"""Inputs near to valid ones: mutated bytes, and JSON whose values are mutated so that it still is JSON."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import orjson

_TOKENS: Final = (
    *(b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b'"', b"\\", b"\\ud800", b"\r", b"\r\n", b"\n"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b";",
        b"\t",
        b"|",
        b" > ",
        b">",
        b" - ",
        b"# ",
        b"null",
        b"true",
        b"1e999",
    ),
    *(b"-1", b"0", b"9" * 400, b"NaN", b"0x1", b"\x1f\x8b", b"PAR1", b"[" * 3_000, b'{"a":' * 2_000),
    *("\u2028".encode(), "\u0000".encode(), "İß\u0301".encode(), "𝔘".encode() * 300, b"A" * 70_000),
)
_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63), 0.5, -0.0, 1e308, 5e-324),
    *(
        "",
        " ",
        "a",
        "\x00",
        "a" * 300,
        "a" * 3_000,
        "\u202e",
        "𝔘" * 200,
        "[",
        "[]",
        "{}",
        '["a"]',
        "A > B",
        ">",
        "|",
    ),
    *(
        "2026-01-31T12:00:00Z",
        "2026-01-31",
        "9999-12-31T23:59:59+14:00",
        "0000-00-00T00:00:00Z",
        "12.99",
        "-1",
        "nan",
    ),
    *([], {}, [None], [[]], {"": None}, ["a"] * 150, {str(n): "a" for n in range(250)}),
)


def mutate_bytes(chance: Random, corpus: Sequence[bytes]) -> bytes:
    """Return one of the corpus, changed in one to four places; every tenth is quite arbitrary."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(200))
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 4)):
        _change(chance, data, corpus)
    return bytes(data)


def _change(chance: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    end = min(len(data), place + chance.choice((1, 1, 2, 8, 64)))
    match chance.randrange(7):
        case 0 if data:
            data[min(place, len(data) - 1)] ^= 1 << chance.randrange(8)
        case 1:
            del data[place:end]
        case 2:
            data[place:place] = data[place:end] * chance.choice((1, 2, 30))
        case 3:
            data[place:end] = chance.choice(_TOKENS)
        case 4:
            data[place:place] = chance.choice(_TOKENS)
        case 5:
            del data[place:]
        case _:
            other = chance.choice(corpus)
            cut = chance.randrange(len(other) + 1)
            data[place:] = other[cut:]


def mutate_json(chance: Random, corpus: Sequence[bytes]) -> bytes:
    """Return one of the corpus with one to three values replaced, removed, renamed or nested; it still is JSON."""
    value = orjson.loads(chance.choice(corpus))
    for _ in range(chance.randint(1, 3)):
        value = _change_value(chance, value)
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def _change_value(chance: Random, root: Any) -> Any:
    holders = _holders(root)
    if not holders or chance.random() < 0.02:
        return copy.deepcopy(chance.choice(_VALUES))
    holder = chance.choice(holders)
    key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice(("", "x", "product_id", "a" * 600, "\x00"))] = holder.pop(key)
        case 2:
            for _ in range(chance.choice((1, 1, 5, 60))):
                holder[key] = [holder[key]]
        case 3 if isinstance(holder, list):
            holder += holder[:20]
        case _:
            holder[key] = copy.deepcopy(chance.choice(_VALUES))
    return root


def _holders(root: Any) -> list[Any]:
    """Return every object and list that is not empty."""
    found, open_ = [], [root]
    while open_:
        value = open_.pop()
        if isinstance(value, dict | list) and value:
            found.append(value)
            open_ += value.values() if isinstance(value, dict) else value
    return found
