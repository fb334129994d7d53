"""What a cube's file holds, in words: for a terminal and for the report."""

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from hiss.bands import BANDS
from hiss.cube.layout import (
    COVERAGE,
    IMAGE_TABLE,
    SPECTRUM_TABLE,
    TARGETS,
    ZOOMS,
    images_group,
    ml_image_data,
    ml_spectrum_data,
    spectra_group,
)
from hiss.cube.store import Store
from hiss.sdss.labels import is_label

_PARTS: Final = {"sparse": SPECTRUM_TABLE, "links": COVERAGE, "dense": TARGETS}
_SHORT: Final = 12  # characters of a hash that tell it from others


def description(store: Store) -> str:
    """Return what the file holds, how it was made and of what, as plain text."""
    return "\n".join([f"{store.path}", *(f"  {line}" for line in _lines(store))])


def _lines(store: Store) -> Iterator[str]:
    if store.has(TARGETS):
        yield from _targets(store)
    if store.has(SPECTRUM_TABLE):
        yield from _sparse(store)
    if store.has(COVERAGE):
        whole = int((store.whole(COVERAGE) == 2).all(axis=1).sum())
        yield f"links: {whole} spectra with a whole cutout in all bands"
    seen: dict[str, str] = {}
    for part, name in _PARTS.items():
        if store.has(name):
            file = store.item(name).file.filename
            if file not in seen:
                seen[file] = part
                yield from _origin(part, store.record(name))


def _targets(store: Store) -> Iterator[str]:
    columns = store.columns(TARGETS, ("z", "class", "avg"))
    z = columns["z"][np.isfinite(columns["z"])]
    names, counts = np.unique(columns["class"], return_counts=True)
    yield f"{len(columns['z'])} targets, {int(is_label(columns['avg']).sum())} of them with a star formation rate"
    if len(z):
        classes = ", ".join(f"{count} {name.decode()}" for name, count in zip(names, counts))
        yield f"  {classes}; redshift {z.min():.4f} to {z.max():.4f}"
    for kind, dataset in (("cutouts", ml_image_data), ("spectra", ml_spectrum_data)):
        sizes = [store.item(dataset(zoom)).shape[1:] for zoom in ZOOMS if store.has(dataset(zoom))]
        bands = f", bands {' '.join(BANDS)}" if kind == "cutouts" else ""
        yield f"  {kind}: {', '.join(' x '.join(map(str, size)) for size in sizes)}{bands}"
    yield f"  flux and sigma in {store.item(ml_image_data(0)).attrs.get('units', 'a unit that the file does not name')}"


def _sparse(store: Store) -> Iterator[str]:
    yield f"{len(store.item(SPECTRUM_TABLE))} spectra at {_zooms(store, spectra_group)}"
    bands = store.columns(IMAGE_TABLE, ("band",))["band"]
    count = ", ".join(f"{int((bands == band.encode()).sum())} {band}" for band in BANDS)
    zooms = _zooms(store, images_group)
    yield f"{len(bands)} frames ({count}), " + (f"whole, at {zooms}" if zooms else "of which windows around targets")


def _zooms(store: Store, group: Any) -> str:
    zooms = [str(zoom) for zoom in ZOOMS if store.has(f"{group(zoom)}/data")]
    return f"zoom {', '.join(zooms)}" if zooms else ""


def _origin(part: str, record: dict[str, Any]) -> Iterator[str]:
    if not record:
        yield f"{part}: says nothing of its origin"
        return
    settings = ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(record.get("settings", {}).items()))
    inputs = ", ".join(f"{name} {str(value)[:_SHORT]}" for name, value in sorted(record.get("inputs", {}).items()))
    code, environment = (str(record.get(name))[:_SHORT] for name in ("code", "environment"))
    yield f"{part}: made of {inputs} by code {code} in environment {environment}"
    if settings:
        yield f"  with {settings}"
