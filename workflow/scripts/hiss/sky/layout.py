"""Where the objects of the simulated sky stand, and which plates, fibres and fields know them."""

from typing import Final

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sdss.objid import pack_objid
from hiss.sky.strips import ROWS_A_FIELD, Strip

SEPARATION: Final = 76.0
"""Least distance between targets [pixel], 30 arcsec: neighbours are outside each other's cutouts."""

_MARGIN: Final = 46.0  # half a cutout, the bands' offsets, and room to spare
_EDGE: Final = (10.0, 19.0)  # from the strip's side: in every frame, never whole
_COMPANION: Final = (13, 22)  # distance of a blended neighbour [pixel]
_TRIES: Final = 400
_SDSS_PLATES: Final = ((703, 52209), (704, 52205), (705, 52200), (706, 52199), (707, 52177), (708, 52175))
_REPEAT_PLATES: Final = ((704, 52251), (1071, 52641))
_BOSS_PLATE: Final = (4238, 55455)
_FIBRES: Final = 640


def share(fraction: float, n: int) -> int:
    """Return how many of n are a fraction of them, at least one of any."""
    return min(n, max(1, round(fraction * n))) if n else 0


def place_objects(objects: pd.DataFrame, strip: Strip, rng: np.random.Generator) -> pd.DataFrame:
    """Return the objects with their place in the first strip and on the sky, and with blended companions.

    Parameters
    ----------
    objects
        ``kind`` and, for galaxies, the columns of `draw_galaxies`.

    Returns
    -------
    DataFrame
        In addition ``object`` (row number), ``x``, ``y`` (r-band pixels of the first strip), ``ra``, ``dec``,
        ``edge``, ``outside``, ``blend`` (bool) and ``companion_of`` (object, or -1). Companions follow last.

    Raises
    ------
    HissError
        So many objects do not fit.
    """
    objects = objects.assign(edge=False, outside=False, blend=False, companion_of=-1)
    galaxies = np.flatnonzero(objects["kind"] == "galaxy")
    odd = rng.permutation(galaxies)
    n_edge = share(0.03, len(galaxies))
    objects.loc[odd[:n_edge], "edge"] = True
    objects.loc[odd[n_edge : 2 * n_edge], "outside"] = True
    objects.loc[_choose_hosts(objects, share(0.05, len(galaxies))), "blend"] = True
    objects[["x", "y"]] = _scatter(objects, strip, rng)
    placed = pd.concat([objects, _companions(objects, rng)], ignore_index=True)
    placed.insert(0, "object", np.arange(len(placed)))
    placed["ra"], placed["dec"] = strip.wcs("r").wcs_pix2world(placed["x"], placed["y"], 0)
    return placed


def _choose_hosts(objects: pd.DataFrame, n: int) -> pd.Index:
    """Bright galaxies of a peaked profile: only those have a companion whose peak rivals theirs above noise."""
    free = objects[(objects["kind"] == "galaxy") & ~objects["edge"] & ~objects["outside"]]
    peak = free["mag_r"] + 2.5 * np.log10(free["r_disk"] ** 2) - 1.5 * free["bulge_fraction"]
    return free.index[np.argsort(peak.to_numpy(), kind="stable")[:n]]


def _scatter(objects: pd.DataFrame, strip: Strip, rng: np.random.Generator) -> np.ndarray:
    """Positions (n, 2) as x, y, one after the other where there is room."""
    rows, columns = strip.shape
    low, high = (_MARGIN, _MARGIN), (columns - _MARGIN, rows - _MARGIN)
    room = np.where(objects["blend"], SEPARATION + _COMPANION[1], SEPARATION)
    place = np.full((len(objects), 2), np.inf)
    # blends and edges have the least freedom: first come
    order = np.argsort(~(objects["blend"] | objects["edge"]).to_numpy(), kind="stable")
    for row in order:
        for _ in range(_TRIES):
            trial = rng.uniform(low, high)
            if objects["outside"].iat[row]:
                trial[1] = -rng.uniform(500, 3000)
            elif objects["edge"].iat[row]:
                distance = rng.uniform(*_EDGE)
                trial[0] = distance if rng.random() < 0.5 else columns - 1 - distance
            if (np.hypot(*(place - trial).T) > np.maximum(room, room[row])).all():
                place[row] = trial
                break
        else:
            raise HissError(
                f"{len(objects)} objects do not fit into {strip.n_fields} simulated field(s); "
                "raise sky.simulated.fields or lower n_galaxies, n_stars and n_quasars"
            )
    return place


def _companions(objects: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A twin beside each blended galaxy, whole pixels away so that their peaks fall on the pixels alike."""
    twins = objects[objects["blend"]].copy()
    twins["companion_of"] = twins.index
    distance = rng.uniform(*_COMPANION, len(twins))
    direction = rng.uniform(0, 2 * np.pi, len(twins))
    twins["x"] += np.round(distance * np.cos(direction))
    twins["y"] += np.round(distance * np.sin(direction))
    twins["angle"] = rng.uniform(0, 180, len(twins))
    return twins


def list_spectra(placed: pd.DataFrame, strip: Strip, rng: np.random.Generator) -> pd.DataFrame:
    """Return one row a spectrum: first those of every target, then repeats, then some by the BOSS spectrograph.

    Returns
    -------
    DataFrame
        ``object plate mjd fiber`` (int64), ``boss repeat`` (bool), ``gap`` (none, run, ends), ``objid``,
        sorted by plate, mjd and fiber.
    """
    alone = placed["companion_of"] < 0
    twins = placed.index[~alone][::5]  # fibres cannot be closer than 55 arcsec on one plate: few twins have one
    targets = rng.permutation(placed.index[alone])
    per_plate = -(-len(targets) // len(_SDSS_PLATES)) if len(targets) > 2 * _FIBRES else _FIBRES
    plates = [_SDSS_PLATES[i // per_plate] for i in range(len(targets))]
    eligible = rng.permutation(placed.index[alone & (placed["kind"] == "galaxy") & ~placed["outside"]])
    again = eligible[: share(0.06, len(eligible))]
    boss = eligible[-share(0.015, len(eligible)) :] if len(eligible) > 1 else eligible[:0]
    parts = [
        _rows(targets, plates),
        _rows(twins, [_REPEAT_PLATES[1]] * len(twins)),
        _rows(again, [_REPEAT_PLATES[i % 2] for i in range(len(again))], repeat=True),
        _rows(boss, [_BOSS_PLATE] * len(boss), boss=True),
    ]
    spectra = pd.concat(parts, ignore_index=True)
    spectra["fiber"] = _fibres(spectra, rng)
    spectra["gap"] = _gaps(spectra, rng)
    spectra["objid"] = object_ids(placed, strip)[spectra["object"].to_numpy()]
    return spectra.sort_values(["plate", "mjd", "fiber"], ignore_index=True)


def _rows(
    objects: np.ndarray | pd.Index, plates: list[tuple[int, int]], repeat: bool = False, boss: bool = False
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "object": np.asarray(objects, dtype=np.int64),
            "plate": np.array([plate for plate, _ in plates], dtype=np.int64),
            "mjd": np.array([mjd for _, mjd in plates], dtype=np.int64),
            "repeat": repeat,
            "boss": boss,
        }
    )


def _fibres(spectra: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    fibre = np.zeros(len(spectra), dtype=np.int64)
    for _, rows in spectra.groupby(["plate", "mjd"]).indices.items():
        if len(rows) > _FIBRES:
            raise HissError(f"a plate has {_FIBRES} fibres and {len(rows)} targets; lower sky.simulated.n_galaxies")
        fibre[rows] = 1 + rng.permutation(_FIBRES)[: len(rows)]
    return fibre


def _gaps(spectra: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """About 8 % have runs without a measurement, a third of them at the ends."""
    gap = np.full(len(spectra), "none", dtype=object)
    chosen = rng.permutation(np.flatnonzero(~spectra["boss"]))[: share(0.08, len(spectra))]
    gap[chosen] = np.where(np.arange(len(chosen)) % 3 == 2, "ends", "run")
    return gap


def object_ids(placed: pd.DataFrame, strip: Strip) -> np.ndarray:
    """Return the packed objID of each object: run, camcol, field in which it stands, and a number there."""
    field = strip.first_field + np.floor(placed["y"].to_numpy() / ROWS_A_FIELD).astype(np.int64)
    field = np.where(
        placed["outside"], field, np.clip(field, strip.first_field, strip.first_field + strip.n_fields - 1)
    )
    number = pd.Series(field).groupby(field).cumcount().to_numpy() + 1
    return pack_objid(run=strip.run, camcol=strip.camcol, field=field, object=number)
