"""The gallery as the page shows it: each object's picture inside the page, with an address of its own."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiss.files import read_json
from hiss.report.phrases import fixed


@dataclass(frozen=True)
class Card:
    """An object of the gallery."""

    identifier: str
    target_id: int
    title: str
    text: str
    source: str
    alt: str
    link: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Group:
    """Objects that were chosen by one rule."""

    key: str
    heading: str
    sentence: str
    cards: list[Card]


def load_gallery(path: Path | str) -> list[Group]:
    """Return the groups of a gallery.json that have objects; the pictures lie beside it."""
    path = Path(path)
    seen: set[int] = set()
    groups = []
    for group in read_json(path)["groups"]:
        cards = [_card(entry, group["key"], path.parent, seen) for entry in group["objects"]]
        if cards:
            groups.append(Group(group["key"], group["heading"], group["sentence"], cards))
    return groups


def _card(entry: Mapping[str, Any], key: str, folder: Path, seen: set[int]) -> Card:
    """Return a card; the first one of an object has the address that other parts of the page lead to."""
    target = int(entry["target_id"])
    identifier = f"gallery-{target}" + (f"-{key}" if target in seen else "")
    seen.add(target)
    picture = folder / entry["image"]
    encoded = base64.b64encode(picture.read_bytes()).decode()
    source = f"data:image/{picture.suffix.removeprefix('.')};base64,{encoded}"
    title = entry["title"] or entry["name"]
    return Card(identifier, target, title, entry["text"], source, entry["alt"], entry["link"], _facts(entry))


def _facts(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("plate-MJD-fibre", str(entry["name"]))]
    if _known(entry, "ra") and _known(entry, "dec"):
        facts.append(("RA, Dec [deg]", f"{entry['ra']:.5f}, {fixed(entry['dec'], 5)}"))
    facts += [("redshift", fixed(entry["z"], 4))] if _known(entry, "z") else []
    facts += [("log SFR of the catalogue", fixed(entry["truth"], 2))] if _known(entry, "truth") else []
    if _known(entry, "prediction"):
        both = _known(entry, "low") and _known(entry, "high")
        span = f" ({fixed(entry['low'], 2)} to {fixed(entry['high'], 2)})" if both else ""
        facts.append(("predicted", f"{fixed(entry['prediction'], 2)}{span}"))
    return facts


def _known(entry: Mapping[str, Any], name: str) -> bool:
    return entry.get(name) is not None


def object_links(groups: Sequence[Group], elsewhere: Mapping[int, str]) -> dict[int, str]:
    """Return where each object leads: to its card in the gallery, else to its page of the survey."""
    shown = {card.target_id: f"#gallery-{card.target_id}" for group in groups for card in group.cards}
    return {**elsewhere, **shown}
