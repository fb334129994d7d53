"""What else is learned from the same arrays: labels by name, each a function of what is known of the targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.sample.stellar_mass import log_stellar_mass

CLASSES: Final = ("GALAXY", "QSO", "STAR")
"""Classes of the survey's pipeline."""

STAR_FORMING, QUIESCENT = "star-forming", "quiescent"

QUIESCENT_BELOW: Final = -11.0
"""log10 of the specific star formation rate [1/yr] at which galaxies of SDSS part into two kinds."""


class Labelled(NamedTuple):
    """A label of each of n targets."""

    value: NDArray[np.object_] | NDArray[np.float64]
    """(n,) the name of its class, empty without one; or a number, NaN without one."""

    why: NDArray[np.object_]
    """(n,) why it has none; empty where it has."""


@dataclass(frozen=True)
class Label:
    """A kind of label: a new target is one of these and a line of config."""

    of: Callable[[pd.DataFrame], Labelled]
    """What it is of targets with ``class`` (stripped), ``z zwarning log_sfr`` and ``mag_u`` ... ``mag_z``."""

    classes: tuple[str, ...] = ()
    """Names of its classes, in order of their codes; empty: it is a number."""


def pipeline_class(targets: pd.DataFrame) -> Labelled:
    """Return the class that SDSS's pipeline gave the spectrum: GALAXY, QSO or STAR.

    It is the class of the best of the templates that were fitted to that very spectrum, in all its 4,000 samples
    (Bolton et al. 2012, AJ 144, 144): a model that learns it from spectra learns the pipeline, and only from images
    something that the label has not seen. Spectra with a warning are kept: they are the hard ones.
    """
    kind = targets["class"].to_numpy(dtype=object)
    known = np.isin(kind, CLASSES)
    return Labelled(np.where(known, kind, ""), np.where(known, "", "of no known class").astype(object))


def quiescence(targets: pd.DataFrame) -> Labelled:
    """Return whether a galaxy is star-forming or quiescent: log SFR - log M below -11 per year.

    At 1e-11 per year the specific rates of SDSS's galaxies part in two (Wetzel, Tinker & Conroy 2012, MNRAS 424, 232).
    The rate is the catalogue's AVG. The cube has no catalogue of masses, so that the mass is that of the cutout's own
    magnitudes and the redshift (`hiss.sample.stellar_mass`): a cut by the catalogue's masses would move a galaxy near
    the border, by some 0.2 dex. The images thus know a part of the label; the spectra gave the catalogue the other.
    """
    galaxy = (targets["class"] == "GALAXY").to_numpy()
    rate = targets["log_sfr"].to_numpy(dtype=np.float64)
    specific = rate - log_stellar_mass(targets["mag_g"], targets["mag_r"], targets["z"])
    why = np.select(
        [~galaxy, np.isnan(rate), np.isnan(specific)],
        ["not galaxies", "without a star formation rate", "without a mass by magnitudes and redshift"],
        "",
    ).astype(object)
    name = np.where(specific < QUIESCENT_BELOW, QUIESCENT, STAR_FORMING).astype(object)
    return Labelled(np.where(why == "", name, ""), why)


def galaxy_redshift(targets: pd.DataFrame) -> Labelled:
    """Return the redshift that the pipeline gave a galaxy's spectrum, where it has no warning (ZWARNING is 0).

    It is known to some 1e-5, far better than anything here predicts it; it comes from that very spectrum.
    """
    galaxy = (targets["class"] == "GALAXY").to_numpy()
    z = targets["z"].to_numpy(dtype=np.float64)
    why = np.select(
        [~galaxy, ~np.isfinite(z), targets["zwarning"].to_numpy() != 0],
        ["not galaxies", "without a redshift", "with a warning of the redshift"],
        "",
    ).astype(object)
    return Labelled(np.where(why == "", z, np.nan), why)


LABELS: Final[Mapping[str, Label]] = {
    "class": Label(pipeline_class, CLASSES),
    "quiescent": Label(quiescence, (STAR_FORMING, QUIESCENT)),
    "redshift": Label(galaxy_redshift),
}
"""Labels by their name in the config."""


def label_of(name: str) -> Label:
    """Return a label by its name.

    Raises
    ------
    HissError
        Where there is none of that name.
    """
    if name not in LABELS:
        raise HissError(f"label {name!r} is not known; name {', '.join(LABELS)}")
    return LABELS[name]
