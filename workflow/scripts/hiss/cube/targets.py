"""Targets: spectra of one object, by true separation on the sky and by SDSS's own id."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hiss.sdss.labels import is_label


@dataclass(frozen=True)
class Target:
    """One object.

    Attributes
    ----------
    label
        Row of the spectrum that gives position, label and fibre size.
    spectra
        Rows of all its spectra, increasing.
    stacked
        Of those, whether each is in the stack: only spectra of the label's fibre size are.
    """

    label: int
    spectra: np.ndarray
    stacked: np.ndarray


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the directions of positions [deg] as (n, 3) float64."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def match_targets(spectra: pd.DataFrame, radius_arcsec: float) -> np.ndarray:
    """Return the number of each spectrum's object, counted from 0 in order of its first spectrum.

    Spectra closer than the radius are of one object, and so are those of one ``objid`` (0 is none); friends
    of friends are friends.

    Parameters
    ----------
    spectra
        ``ra dec`` [deg] and ``objid``, one row a spectrum.

    Returns
    -------
    (n,) int64.
    """
    n = len(spectra)
    if n == 0:
        return np.empty(0, np.int64)
    objid = spectra["objid"].to_numpy(np.int64)
    chord = 2 * np.sin(np.radians(radius_arcsec / 3600) / 2) * (1 + 1e-9)
    tree = cKDTree(unit_vectors(spectra["ra"].to_numpy(np.float64), spectra["dec"].to_numpy(np.float64)))
    close = tree.query_pairs(chord, output_type="ndarray")
    order = np.argsort(objid, kind="stable")
    same = (objid[order][1:] == objid[order][:-1]) & (objid[order][1:] != 0)
    first = np.concatenate([close[:, 0], order[:-1][same]])
    second = np.concatenate([close[:, 1], order[1:][same]])
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n))
    found = connected_components(graph, directed=False)[1]
    _, earliest, group = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(earliest))[group].astype(np.int64)


def find_targets(spectra: pd.DataFrame, radius_arcsec: float) -> list[Target]:
    """Return the objects behind a table of spectra, in order of their first spectrum.

    Parameters
    ----------
    spectra
        ``ra dec objid fiber_arcsec sn_median avg flag``, one row a spectrum. The label spectrum of an object is
        the one of highest S/N among those with an SFR and FLAG = 0, else among those with an SFR, else among all.
    """
    group = match_targets(spectra, radius_arcsec)
    if len(group) == 0:
        return []
    labelled = is_label(spectra["avg"].to_numpy(np.float64))
    merit = labelled.astype(int) + (labelled & (spectra["flag"].to_numpy(np.float64) == 0))
    signal = np.nan_to_num(spectra["sn_median"].to_numpy(np.float64), nan=-np.inf)
    fiber = spectra["fiber_arcsec"].to_numpy(np.float64)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    return [_target(rows, merit, signal, fiber) for rows in members]


def _target(rows: np.ndarray, merit: np.ndarray, signal: np.ndarray, fiber: np.ndarray) -> Target:
    candidates = rows[merit[rows] == merit[rows].max()]
    label = int(candidates[np.argmax(signal[candidates])])
    return Target(label, rows, fiber[rows] == fiber[label])
