"""The texts of one sample product: title, description, category texts, and the noise in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from workers.sample.dice import Dice
from workers.sample.tables import Leaf, sample_leaves
from workers.sample.world import Brand, Shop, World

_ADJECTIVES: Final = ("classic", "modern", "premium", "light", "compact", "handmade", "elegant", "everyday",
                      "robust", "soft", "slim", "large", "vintage", "new", "eco", "original", "pro")  # fmt: skip
_SERIES: Final = ("Alto", "Brisk", "Cova", "Dune", "Ember", "Fjord", "Grove", "Halo", "Isla", "Juno", "Kite",
                  "Lumo", "Mira", "Nova", "Opal", "Pindle", "Rune", "Sora", "Tilt", "Vita")  # fmt: skip
COLOURS: Final = (
    "black",
    "white",
    "grey",
    "navy",
    "olive",
    "beige",
    "red",
    "sand",
    "blue",
    "green",
    "rose",
    "brown",
)
_AUDIENCES: Final = (
    "the whole family",
    "beginners",
    "every day",
    "small homes",
    "gift giving",
    "travel",
    "experts",
)
_USELESS: Final = (
    "Sale",
    "New in",
    "Bestsellers",
    "Misc",
    "All products",
    "Gifts",
    "Clearance",
    "Default category",
)
_CODES: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"

_VAGUE_SHARE: Final = 0.32
_NO_NOUN_SHARE: Final = 0.04
_TYPO_SHARE: Final = 0.05
_MISSING_DESCRIPTION: Final = 0.3
_BOILERPLATE_SHARE: Final = 0.35
_MERCHANT_MISSING: Final = 0.3
_MERCHANT_USELESS: Final = 0.15
_MERCHANT_WRONG: Final = 0.04
_AFFILIATE_SHARE: Final = 0.55
_AFFILIATE_WRONG: Final = 0.06


@dataclass(frozen=True, slots=True)
class Design:
    """What the variants of one product share."""

    leaf: Leaf
    brand: Brand
    noun: str
    vague: bool
    series: str
    adjective: str
    material: str
    length: str


def draw_design(dice: Dice, leaf: Leaf, brand: Brand) -> Design:
    """Draw the words for a product; ``length`` is ``"short"``, ``"normal"``, ``"long"`` or ``"nameless"``."""
    vague = bool(leaf.vague_nouns) and dice.chance(_VAGUE_SHARE)
    shape = dice.uniform()
    length = "short" if shape < 0.15 else "long" if shape < 0.35 else "normal"
    return Design(
        leaf=leaf,
        brand=brand,
        noun=dice.pick(leaf.vague_nouns if vague else leaf.nouns),
        vague=vague,
        series=f"{dice.pick(_SERIES)} {dice.between(1, 99)}" if dice.chance(0.5) else dice.pick(_SERIES),
        adjective=dice.pick(_ADJECTIVES),
        material=dice.pick(leaf.materials),
        length="nameless" if dice.chance(_NO_NOUN_SHARE) else length,
    )


def title_of(dice: Dice, design: Design, colour: str, size: str, brand: str) -> str:
    """Write the title of one variant; ``brand`` is ``""`` if the feed leaves it out."""
    noun = with_typo(dice, design.noun) if dice.chance(_TYPO_SHARE) else design.noun
    parts: tuple[str, ...]
    if design.length == "nameless":
        parts = (brand, design.series, colour, size)
    elif design.length == "short":
        parts = (design.adjective, noun) if dice.chance(0.5) else (brand, noun)
    elif design.length == "normal":
        material = design.material if dice.chance(0.6) else ""
        parts = (brand, design.series, design.adjective, material, noun, size, colour)
    else:
        features = dice.sample(design.leaf.features, 2)
        extra = (f"for {dice.pick(_AUDIENCES)}", f"model {model_code(dice)}") if dice.chance(0.6) else ()
        parts = (brand, design.series, design.adjective, design.material, noun, "with", " and ".join(features),
                 size, colour, *extra)  # fmt: skip
    title = " ".join(part for part in parts if part)
    return title.upper() if dice.chance(0.03) else title[:1].upper() + title[1:]


def description_of(dice: Dice, design: Design, shop: Shop) -> str | None:
    """Write the description, or return ``None``; a shop's boilerplate may name products of other categories."""
    if dice.chance(_MISSING_DESCRIPTION):
        return None
    leaf = design.leaf
    noun = design.noun if design.vague and dice.chance(0.7) else dice.pick(leaf.nouns)
    features = dice.sample(leaf.features, dice.below(3)) or ["see pictures"]
    sentences = [
        f"{design.adjective.capitalize()} {noun} made of {design.material}."
        if dice.chance(0.6)
        else f"Made of {design.material}, for {dice.pick(_AUDIENCES)}.",
        f"Details: {', '.join(features)}.",
    ]
    if dice.chance(0.12):
        other = dice.pick(sample_leaves())
        sentences.append(f"Goes well with our {dice.pick(other.nouns)}.")
    if dice.chance(_BOILERPLATE_SHARE):
        sentences.append(shop.boilerplate)
    return " ".join(sentences)


def merchant_category_of(dice: Dice, leaf: Leaf, shop: Shop) -> str | None:
    """Return the shop's own words for the category: sometimes useless, wrong, or missing."""
    draw = dice.uniform()
    if draw < _MERCHANT_MISSING:
        return None
    if draw < _MERCHANT_MISSING + _MERCHANT_USELESS:
        return dice.pick(_USELESS)
    if draw < _MERCHANT_MISSING + _MERCHANT_USELESS + _MERCHANT_WRONG:
        leaf = _neighbour(dice, leaf)
    department, group, subgroup, name = leaf.path
    return {
        "leaf": name,
        "noun": plural(leaf.nouns[0]).capitalize(),
        "subgroup": f"{department} | {subgroup}",
        "group": group,
        "breadcrumb": f"Shop > {group} > {leaf.nouns[-1].capitalize()}",
    }[shop.style]


def affiliate_of(dice: Dice, leaf: Leaf, world: World) -> dict[str, str] | None:
    """Return the network and its category for the product, sometimes that of a neighbour, or ``None``."""
    if not dice.chance(_AFFILIATE_SHARE):
        return None
    network = dice.pick(world.networks)
    meant = _neighbour(dice, leaf) if dice.chance(_AFFILIATE_WRONG) else leaf
    return {"network": network, "category": world.network_words[network, meant.position]}


def plural(noun: str) -> str:
    """Return the plural, or the noun itself if it looks like one."""
    if noun.endswith(("ch", "sh", "x")):
        return f"{noun}es"
    return noun if noun.endswith("s") else f"{noun}s"


def with_typo(dice: Dice, word: str) -> str:
    """Return the word with two letters swapped, one doubled, or one dropped."""
    start = dice.below(max(1, len(word) - 1))
    pair = word[start : start + 2]
    return word[:start] + dice.pick((pair[::-1], pair[:1] + pair, pair[1:])) + word[start + 2 :]


def model_code(dice: Dice) -> str:
    """Return a code such as ``"KR-4711"``."""
    return f"{dice.pick(_CODES)}{dice.pick(_CODES)}-{dice.between(100, 9999)}"


def unclassifiable_title(dice: Dice) -> str:
    """Return the title of something that occurs in feeds but fits no category."""
    number = dice.between(1_000, 9_999)
    titles: Sequence[str] = (
        f"Gift card {dice.pick((10, 25, 50, 100))} EUR",
        "Shipping protection",
        f"Spare part {number}-{dice.pick(_CODES)}",
        f"{model_code(dice)} {model_code(dice)}",
        f"Extended warranty {dice.between(1, 5)} years",
        "TEST product do not buy",
        f"Deposit order {number}",
        f"Donation {dice.pick((1, 2, 5))} EUR",
        f"Mystery bundle {number}",
        "Express handling fee",
    )
    return dice.pick(titles)


def _neighbour(dice: Dice, leaf: Leaf) -> Leaf:
    return dice.pick([other for other in sample_leaves() if other.path[0] == leaf.path[0]])
