"""Who sells the sample products: invented brands, shops and affiliate networks, the same for every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from workers.sample.dice import Dice, Weighted
from workers.sample.tables import Leaf, sample_leaves

_WORLD_SEED: Final = 20_260_101
_DIVERSIFIED_BRANDS: Final = 40
_SHOPS: Final = 44
_GENERAL_SHOPS: Final = 8
_PRIVATE_LABELS: Final = 14
# The weight of the leaf at rank r is 1 / (r + 8) ** 1.15: of 20,000 products the largest leaf gets 500 to 800, the
# smallest about ten.
_TAIL_OFFSET: Final = 8
_TAIL_EXPONENT: Final = 1.15

_HEADS: Final = ("Bra", "Cel", "Dov", "Fen", "Gal", "Hes", "Jor", "Kel", "Lun", "Mar", "Nor", "Ost", "Pel", "Quil",
                 "Ras", "Sov", "Tav", "Ulm", "Vel", "Wyn", "Yar", "Zel")  # fmt: skip
_MIDDLES: Final = ("a", "e", "i", "o", "ami", "ero", "ila", "ovi", "und", "ask", "emb")
_TAILS: Final = ("brek", "dunn", "fjolt", "gard", "holt", "kvist", "lanth", "mott", "nesk", "pryn", "quist",
                 "rund", "strand", "thorpe", "vask", "wick")  # fmt: skip
_SHOP_HEADS: Final = (
    "Umber",
    "Tansy",
    "Cobble",
    "Teasel",
    "Larkspur",
    "Sorrel",
    "Bracken",
    "Thimble",
    "Pewter",
    "Cinder",
)
_SHOP_TAILS: Final = (
    "Heronry",
    "Lanternry",
    "Orchardry",
    "Foxery",
    "Meadowing",
    "Compassry",
    "Larderie",
    "Anchorhall",
)
_NETWORKS: Final = ("admarrow", "linksorrel", "payteasel", "clickthimble")
_CURRENCIES: Final = (("EUR", 1.0), ("EUR", 1.0), ("EUR", 1.0), ("GBP", 0.86), ("USD", 1.1), ("SEK", 11.3))
STYLES: Final = ("leaf", "noun", "subgroup", "group", "breadcrumb")


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker; for a private label, ``shop`` is the only shop that sells it, otherwise ``None``."""

    name: str
    leaves: tuple[int, ...]
    shop: str | None = None


@dataclass(frozen=True, slots=True)
class Shop:
    """A store: the departments it sells, how it words categories, its currency and its boilerplate."""

    name: str
    departments: tuple[str, ...]
    style: str
    currency: str
    euro_rate: float
    boilerplate: str


@dataclass(frozen=True, slots=True)
class World:
    """Everything that does not depend on the seed.

    ``brands`` and ``shops`` are the choices for a product of the leaf at that position. ``network_words`` maps a
    network and a leaf's position to the network's own category.
    """

    leaves: Weighted[Leaf]
    brands: tuple[Weighted[Brand], ...]
    shops: tuple[tuple[Shop, ...], ...]
    networks: tuple[str, ...]
    network_words: Mapping[tuple[str, int], str]


@cache
def sample_world() -> World:
    """Return the world; it is built once, in milliseconds."""
    dice = Dice(_WORLD_SEED)
    leaves = sample_leaves()
    shops = _make_shops(dice, leaves)
    brands = _make_brands(dice, leaves, shops)
    ranks = dice.shuffled(range(len(leaves)))
    weights = [(ranks[leaf.position] + _TAIL_OFFSET) ** -_TAIL_EXPONENT for leaf in leaves]
    return World(
        leaves=Weighted(leaves, weights),
        brands=tuple(_brands_of(leaf, brands) for leaf in leaves),
        shops=tuple(tuple(shop for shop in shops if leaf.path[0] in shop.departments) for leaf in leaves),
        networks=_NETWORKS,
        network_words=_network_words(leaves),
    )


def _names(dice: Dice, heads: Sequence[str], tails: Sequence[str], count: int, between: str) -> list[str]:
    return [f"{head}{between}{tail}" for head, tail in dice.sample([(h, t) for h in heads for t in tails], count)]


def _make_shops(dice: Dice, leaves: Sequence[Leaf]) -> list[Shop]:
    departments = tuple(dict.fromkeys(leaf.path[0] for leaf in leaves))
    shops = []
    for number, name in enumerate(_names(dice, _SHOP_HEADS, _SHOP_TAILS, _SHOPS, " ")):
        # The first specialists take one department each, so that every department has a specialist.
        first = departments[number % len(departments)]
        sold = departments if number < _GENERAL_SHOPS else (first, dice.pick(departments))
        currency, rate = dice.pick(_CURRENCIES)
        boilerplate = _boilerplate(dice, name, leaves)
        shops.append(Shop(name, sold, dice.pick(STYLES), currency, rate, boilerplate))
    return shops


def _boilerplate(dice: Dice, shop: str, leaves: Sequence[Leaf]) -> str:
    also = ", ".join(leaf.path[-1].lower() for leaf in dice.sample(leaves, 3))
    return dice.pick(
        (
            f"Free shipping from 49 and 30 days to return at {shop}.",
            f"{shop} also sells {also}. Visit our shop for more.",
            f"Order before noon, {shop} ships today. Colours may differ from the picture.",
            f"All prices include tax. Ask {shop} about {also}.",
        )
    )


def _make_brands(dice: Dice, leaves: Sequence[Leaf], shops: Sequence[Shop]) -> list[Brand]:
    heads = [head + middle for head in _HEADS for middle in _MIDDLES]
    focused = [_focused_leaves(dice, leaf, leaves) for leaf in (*leaves, *leaves[::2])]
    names = _names(dice, heads, _TAILS, len(focused) + _DIVERSIFIED_BRANDS, "")
    brands = [Brand(name, chosen) for name, chosen in zip(names, focused, strict=False)]
    departments = tuple(dict.fromkeys(leaf.path[0] for leaf in leaves))
    for name in names[len(focused) :]:
        sold = dice.sample(departments, dice.between(2, 4))
        offered = [leaf.position for leaf in leaves if leaf.path[0] in sold]
        brands.append(Brand(name, tuple(dice.sample(offered, dice.between(12, 45)))))
    for shop in shops[:_PRIVATE_LABELS]:
        offered = [leaf.position for leaf in leaves if leaf.path[0] in shop.departments]
        label = f"{shop.name} {dice.pick(('Basics', 'Selection', 'Essentials'))}"
        brands.append(Brand(label, tuple(dice.sample(offered, 90)), shop.name))
    return brands


def _focused_leaves(dice: Dice, first: Leaf, leaves: Sequence[Leaf]) -> tuple[int, ...]:
    near = [leaf.position for leaf in leaves if leaf.path[:2] == first.path[:2] and leaf != first]
    return (first.position, *dice.sample(near, dice.below(3)))


def _brands_of(leaf: Leaf, brands: Sequence[Brand]) -> Weighted[Brand]:
    chosen = [brand for brand in brands if leaf.position in brand.leaves]
    # A focused brand sells more in its one category than a department-wide brand in each of its many.
    return Weighted(chosen, [len(brand.leaves) ** -0.25 for brand in chosen])


def _network_words(leaves: Sequence[Leaf]) -> dict[tuple[str, int], str]:
    """Return each network's own category texts, in turn: departments, group codes, group slugs, subgroups."""
    groups = tuple(dict.fromkeys(leaf.path[1] for leaf in leaves))
    words: dict[tuple[str, int], str] = {}
    for leaf in leaves:
        department, group, subgroup, _ = leaf.path
        code = f"{100 + 7 * groups.index(group)}-{department[:3].upper()}"
        slug = "/".join(part.lower().replace(" & ", "-").replace(" ", "-") for part in (department, group))
        # The last network distinguishes subgroups in half of the groups only.
        fine = groups.index(group) % 2 == 0
        chosen = (department.upper(), code, slug, subgroup if fine else f"Other {department}")
        words.update({(network, leaf.position): word for network, word in zip(_NETWORKS, chosen, strict=True)})
    return words
