"""Whom and what a crate names: authors, licence, what to cite, and where the data come from."""

from collections.abc import Mapping
from typing import Any, Final

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

_KINDS: Final = {"thesis": "Thesis"}


def add_authors(crate: ROCrate, citation: Mapping[str, Any]) -> list[Entity]:
    """Add the authors of CITATION.cff: people have a family name, others are organisations."""
    found = []
    for number, author in enumerate(citation.get("authors", []), start=1):
        kind = "Person" if "family-names" in author else "Organization"
        told = {"@type": kind, "name": _name(author)}
        found.append(crate.add(ContextEntity(crate, author.get("orcid", f"#author-{number}"), told)))
    return found


def _name(author: Mapping[str, str]) -> str:
    parts = (author.get(part) for part in ("given-names", "name-particle", "family-names", "name"))
    return " ".join(part for part in parts if part)


def add_licence(crate: ROCrate, citation: Mapping[str, Any]) -> Entity:
    """Add the licence of CITATION.cff, by its SPDX name."""
    name = str(citation["license"])
    told = {"@type": "CreativeWork", "name": name, "url": f"https://spdx.org/licenses/{name}"}
    return crate.add(ContextEntity(crate, f"https://spdx.org/licenses/{name}", told))


def add_references(crate: ROCrate, citation: Mapping[str, Any]) -> list[Entity]:
    """Add what CITATION.cff asks to be cited."""
    found = []
    for number, reference in enumerate(citation.get("references", []), start=1):
        doi = reference.get("doi")
        identifier = f"https://doi.org/{doi}" if doi else reference.get("url", f"#reference-{number}")
        told: dict[str, Any] = {"@type": _KINDS.get(reference["type"], "ScholarlyArticle")}
        told["name"] = reference["title"]
        told["author"] = [_name(author) for author in reference.get("authors", [])]
        if "year" in reference:
            told["datePublished"] = str(reference["year"])
        found.append(crate.add(ContextEntity(crate, identifier, told)))
    return found


def add_sources(crate: ROCrate, sky: str, settings: Mapping[str, Any]) -> list[Entity]:
    """Add where the data come from: SDSS and MPA-JHU's catalogue; of a simulated sky there is nothing to name."""
    if sky == "simulated":
        return []
    archive = settings["sky"].get("archive") if sky == "archive" else None
    release = str(archive["data_release"]) if archive else ""
    address = f"https://www.sdss.org/{release}/" if release else "https://www.sdss.org/"
    named = {
        address: f"Sloan Digital Sky Survey {release.upper()}".strip(),
        "https://wwwmpa.mpa-garching.mpg.de/SDSS/": "MPA-JHU: star formation rates of SDSS galaxies",
    }
    return [
        crate.add(ContextEntity(crate, identifier, {"@type": "CreativeWork", "name": name, "url": identifier}))
        for identifier, name in named.items()
    ]
