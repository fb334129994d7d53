"""The surroundings of each object: how densely galaxies of a catalogue lie about it on the sky, and at its redshift."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from astropy.cosmology import FlatLambdaCDM
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hiss.cube.neighbours import chord, unit_vectors
from hiss.progress import progress, say
from hiss.sample.export import targets_table
from hiss.sdss.catalogue import read_places

Doubles = NDArray[np.float64]

COSMOLOGY: Final = FlatLambdaCDM(H0=70, Om0=0.3)
"""Flat, 70 km/s/Mpc, 0.3 of matter: what the distance of a neighbour is counted in."""

NEAREST: Final = (1, 3, 5)
"""Which neighbours' distances make a density."""

ANGLES_ARCMIN: Final = (1.0, 3.0, 5.0)
"""Radii of the circles in which galaxies of any redshift are counted."""

MATCH_ARCSEC: Final = 1.5
"""Rows closer than this are of one galaxy, as the cube's own spectra are unless its config says otherwise."""

WINDOW_KMS: Final = 1000.0
"""Neighbours are within so much velocity of an object, either way."""

FARTHEST_MPC: Final = 7.0
"""No neighbour is looked for farther away; where too few are nearer, the density is that of this distance."""

ENVIRONMENT_UNITS: Final = {**{f"log_sigma_{n}": "log10(Mpc-2)" for n in NEAREST}, "distance_5": "Mpc"}

_LIGHT_KMS: Final = 299792.458
_LEAST_Z: Final = 0.003  # below it a redshift is no distance
_WIDEST_DEG: Final = 30.0
_BLOCK: Final = 512  # objects whose neighbours are held at once
_RIM: Final = 32  # points of a circle at which the catalogue's footprint is looked for
_GAP: Final = 4.0  # median distances between galaxies of the catalogue, beyond which there is no catalogue


class Galaxies(NamedTuple):
    """Galaxies with a redshift, each once."""

    ra: Doubles
    dec: Doubles
    z: Doubles

    def __len__(self) -> int:
        return len(self.ra)


def distinct_galaxies(ra: ArrayLike, dec: ArrayLike, z: ArrayLike, match_arcsec: float) -> Galaxies:
    """Return galaxies of a catalogue, each once, however often it was observed: the first of those that match.

    Rows without a place or with a redshift below 0.003, which are none or no distance, are left out.

    Parameters
    ----------
    ra, dec
        (n,) [deg].
    match_arcsec
        Rows closer than this are of one galaxy.
    """
    places = np.stack([np.asarray(values, dtype=np.float64) for values in (ra, dec, z)])
    places = places[:, np.isfinite(places).all(axis=0) & (places[2] > _LEAST_Z)]
    n = places.shape[1]
    if n == 0:
        return Galaxies(*places)
    pairs = cKDTree(unit_vectors(places[0], places[1])).query_pairs(chord(match_arcsec / 3600), output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, first = np.unique(connected_components(graph, directed=False)[1], return_index=True)
    return Galaxies(*places[:, np.sort(first)])


def galaxies_of(gal_info: Path | str | None, dense: Path | str, match_arcsec: float) -> Galaxies:
    """Return the galaxies of good redshift that neighbours are looked for among.

    They are those of MPA-JHU's catalogue, which reaches beyond the cube; where there is none, or it tells no places,
    the targets of the cube.

    Parameters
    ----------
    gal_info
        Table of the catalogue that holds places and redshifts, never that of the star formation rates.
    """
    if gal_info is not None:
        table = read_places(gal_info)
        good = (table["z_warning"] == 0) & table["spectrotype"].isin(["GALAXY", ""])
        found = _distinct(table[good], match_arcsec)
        if len(found):
            say(f"neighbours are looked for among {len(found):,} galaxies of the catalogue")
            return found
    return galaxies_of_cube(dense, match_arcsec)


def _distinct(table: pd.DataFrame, match_arcsec: float) -> Galaxies:
    return distinct_galaxies(table["ra"], table["dec"], table["z"], match_arcsec)


def galaxies_of_cube(dense: Path | str, match_arcsec: float) -> Galaxies:
    """Return the galaxies of good redshift among the targets of a cube."""
    targets = targets_table(dense)
    good = (targets["zwarning"] == 0) & (targets["class"].astype(str).str.strip() == "GALAXY")
    found = _distinct(targets[good], match_arcsec)
    say(f"neighbours are looked for among {len(found):,} galaxies of the cube: none is known beyond it")
    return found


def measure_environment(objects: pd.DataFrame, galaxies: Galaxies, match_arcsec: float) -> pd.DataFrame:
    """Return the projected densities of galaxies about each object; no label is looked at.

    Sigma_N = N / (pi d_N^2), where d_N is the projected comoving distance to the Nth nearest of the galaxies whose
    velocity differs by less than 1000 km/s (Baldry et al. 2006, MNRAS 373, 469, there of galaxies above one luminosity;
    here of all in the catalogue, so that with its limit in flux densities fall with redshift). Neither the object
    itself nor another row of the catalogue within ``match_arcsec`` of it is its neighbour.

    Parameters
    ----------
    objects
        ``row ra dec z``.
    galaxies
        Of `distinct_galaxies`.

    Returns
    -------
    DataFrame
        ``row``; ``log_sigma_1``, ``_3`` and ``_5`` [log10(Mpc-2)]; ``count_1arcmin``, ``_3`` and ``_5``, galaxies of
        any redshift within that angle. None of these is NaN: where the Nth galaxy is farther than 7 Mpc, or the object
        has no redshift, d_N is 7 Mpc. Beside them ``distance_5`` [Mpc], NaN there; ``limited``, how many of the three
        densities are such limits; ``at_edge``, whether the circle to the 5th neighbour leaves the catalogue's
        footprint, so that neighbours may be missed.
    """
    n = len(objects)
    z = objects["z"].to_numpy(dtype=np.float64)
    places = unit_vectors(objects["ra"].to_numpy(np.float64), objects["dec"].to_numpy(np.float64)).reshape(n, 3)
    distances = np.full((n, len(NEAREST)), np.nan)
    counts = np.zeros((n, len(ANGLES_ARCMIN)), dtype=np.int64)
    if len(galaxies):
        tree = cKDTree(unit_vectors(galaxies.ra, galaxies.dec))
        own = tree.query_ball_point(places, chord(match_arcsec / 3600), return_length=True)
        for column, angle in enumerate(ANGLES_ARCMIN):
            counts[:, column] = tree.query_ball_point(places, chord(angle / 60), return_length=True) - own
        starts = range(0, n, _BLOCK)
        for start in progress(starts, len(starts), "blocks of objects and their neighbours", show=len(starts) > 1):
            block = slice(start, start + _BLOCK)
            distances[block] = _nearest(places[block], z[block], tree, galaxies.z, chord(match_arcsec / 3600))
    capped = np.where(np.isfinite(distances), distances, FARTHEST_MPC)
    table = pd.DataFrame({"row": objects["row"].to_numpy()})
    for column, number in enumerate(NEAREST):
        table[f"log_sigma_{number}"] = np.log10(number / (np.pi * capped[:, column] ** 2))
    for column, angle in enumerate(ANGLES_ARCMIN):
        table[f"count_{angle:.0f}arcmin"] = counts[:, column]
    table["distance_5"] = distances[:, -1]
    table["limited"] = (~np.isfinite(distances)).sum(axis=1)
    table["at_edge"] = _leaves(objects, capped[:, -1], galaxies)
    return table


def comoving_mpc(z: ArrayLike) -> Doubles:
    """Return the comoving distance (n,) [Mpc] of redshifts; those below 0.003, or none, count as 0.003."""
    known = np.nan_to_num(np.asarray(z, dtype=np.float64), nan=_LEAST_Z)
    distance: Doubles = COSMOLOGY.comoving_distance(np.maximum(known, _LEAST_Z)).to_value("Mpc")
    return distance


def _nearest(places: Doubles, z: Doubles, tree: cKDTree, galaxy_z: Doubles, own: float) -> Doubles:
    """Return (n, 3) projected distances to the `NEAREST` [Mpc]; NaN beyond `FARTHEST_MPC` or without a redshift."""
    found = np.full((len(places), len(NEAREST)), np.nan)
    known = np.flatnonzero(np.isfinite(z) & (z > _LEAST_Z))
    far = comoving_mpc(z[known])
    reach = [chord(angle) for angle in np.minimum(np.degrees(FARTHEST_MPC / far), _WIDEST_DEG)]
    data = np.asarray(tree.data)
    for row, away, near in zip(known, far, tree.query_ball_point(places[known], reach), strict=True):
        candidates = np.asarray(near, dtype=np.int64)
        velocity = _LIGHT_KMS * np.abs(galaxy_z[candidates] - z[row]) / (1 + z[row])
        candidates = candidates[velocity <= WINDOW_KMS]
        chords = np.linalg.norm(data[candidates] - places[row], axis=1)
        apart = np.sort(2 * np.arcsin(np.minimum(chords[chords > own] / 2, 1)) * away)
        apart = apart[apart <= FARTHEST_MPC]
        for column, number in enumerate(NEAREST):
            if len(apart) >= number:
                found[row, column] = apart[number - 1]
    return found


def _leaves(objects: pd.DataFrame, distance: Doubles, galaxies: Galaxies) -> NDArray[np.bool_]:
    """Return (n,) whether the circle of each distance [Mpc] about an object leaves the catalogue's footprint.

    The footprint is all that is near a galaxy of the catalogue, of whatever redshift: nearer than four times the
    median distance of a galaxy to the next, which in a field without clusters a point is but once in 10^5.
    """
    if len(galaxies) < 2:
        return np.ones(len(objects), dtype=bool)
    tree = cKDTree(unit_vectors(galaxies.ra, galaxies.dec))
    apart = tree.query(tree.data, k=2)[0][:, 1]
    angle = np.minimum(np.degrees(distance / comoving_mpc(objects["z"])), _WIDEST_DEG)
    found = np.zeros(len(objects), dtype=bool)
    for turn in np.arange(_RIM) * 2 * np.pi / _RIM:
        ra, dec = _offset(objects["ra"].to_numpy(np.float64), objects["dec"].to_numpy(np.float64), angle, turn)
        found |= tree.query(unit_vectors(ra, dec))[0] > _GAP * np.median(apart)
    return found


def _offset(ra: Doubles, dec: Doubles, angle: Doubles, turn: float) -> tuple[Doubles, Doubles]:
    """Return the places [deg] at an angle [deg] from some others, in a direction from north to east [radian]."""
    away, latitude = np.radians(angle), np.radians(dec)
    sine = np.sin(latitude) * np.cos(away) + np.cos(latitude) * np.sin(away) * np.cos(turn)
    east = np.arctan2(
        np.sin(turn) * np.sin(away) * np.cos(latitude), np.cos(away) - np.sin(latitude) * np.clip(sine, -1, 1)
    )
    return ra + np.degrees(east), np.degrees(np.arcsin(np.clip(sine, -1, 1)))
