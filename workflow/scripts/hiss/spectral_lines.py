"""The lines of galaxies that figures mark and by which importance is told."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Line:
    """A line, or a pair that the survey's spectrograph hardly parts."""

    name: str
    """In plain text: H-alpha."""
    label: str
    """As a figure writes it."""
    wavelength: float
    """In vacuum, at rest [Angstrom]; of a pair, its middle."""
    half_width: float
    """Half of the window at rest that holds it, with its neighbours' wings and the galaxy's own motion [Angstrom]."""
    nebular: bool = False
    """Of gas between stars: on no star's spectrum."""

    def observed(self, redshift: NDArray[np.float64]) -> tuple[float, float]:
        """Return the observed wavelengths [Angstrom] between which its window lies for objects of those redshifts."""
        low, high = float(np.min(redshift)), float(np.max(redshift))
        return (self.wavelength - self.half_width) * (1 + low), (self.wavelength + self.half_width) * (1 + high)


SPECTRAL_LINES: Final = (
    Line("[O II]", "[O II]", 3728.5, 20.0, nebular=True),
    Line("Ca K, H", "Ca K, H", 3952.2, 35.0),
    Line("H-delta", r"H$\delta$", 4102.9, 25.0),
    Line("H-gamma", r"H$\gamma$", 4341.7, 25.0),
    Line("H-beta", r"H$\beta$", 4862.7, 25.0),
    Line("[O III]", "[O III]", 5008.2, 20.0, nebular=True),
    Line("Mg b", "Mg b", 5176.6, 25.0),
    Line("Na D", "Na D", 5895.6, 20.0),
    Line("H-alpha", r"H$\alpha$", 6564.6, 35.0),
    Line("[S II]", "[S II]", 6725.0, 25.0, nebular=True),
)
"""Vacuum wavelengths of SDSS's list of spectral lines. The window of H-alpha holds [N II] too."""
