"""Emission lines fitted to a spectrum: H-alpha between its [N II] neighbours, and H-beta."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.optimize import minimize_scalar

Array = NDArray[np.float64]

_LIGHT_SPEED: Final = 299792.458  # km/s
_WIDTHS: Final = np.geomspace(75.0, 350.0, 9)  # km/s
_ABSORPTION: Final = 10.0  # sigma of the stars' broad Balmer absorption under a line [Angstrom]
_NATIVE_STEP: Final = 1e-4 * np.log(10)  # width of the spectrograph's pixels over their wavelength
_MAD: Final = 1.4826 / np.sqrt(2)  # sigma of a sample from the median step between two
_CORE: Final = 2.0  # in sigma: where every sample of a line must have been measured
_LEAST_SHARE: Final = 0.6  # of a window's samples that must have been measured
_NUDGE: Final = 1.001  # of a width, for a derivative

_LINE: Final = 1  # column of the line in a design


class _Window(NamedTuple):
    """A stretch of the spectrum around a line, in vacuum wavelengths at rest [Angstrom]."""

    name: str
    line: float
    half_width: float
    absorption: tuple[float, float]
    """Equivalent width of the stars' absorption in galaxies, and its spread."""
    others: tuple[tuple[float, float], ...] = ()
    """Lines of one doublet and their strengths; their sum is one component."""


# [N II] is a doublet of the fixed ratio 3. The windows end before [S II] 6716 and [O III] 4959.
_WINDOWS: Final = (
    _Window("h_alpha", 6564.61, 75.0, (2.0, 1.0), ((6549.86, 1 / 3), (6585.27, 1.0))),
    _Window("h_beta", 4862.68, 60.0, (3.0, 2.0)),
)


def fit_lines(wl: Array, flux: Array, sigma: Array, z: float) -> dict[str, tuple[float, float]]:
    """Return area and sigma of H-alpha and H-beta [flux unit x Angstrom]; NaN where a line was not observed.

    Each line is a Gaussian on a straight continuum with broad stellar absorption in it, fitted by least squares. The
    absorption alone would stand in for whatever is broad, so it is held, as far as the spectrum says little of it,
    to the equivalent widths of galaxies: 2 +- 1 Angstrom at H-alpha, 3 +- 2 at H-beta. Both lines have one width, of
    75 to 350 km/s with the spectrograph's, that which fits both best. Errors are scaled by the residuals, and enlarged
    where samples share pixels of the spectrograph. Of stars nothing else is known here: lines of less than some 2
    Angstrom of equivalent width are better measured above a fitted stellar spectrum.

    Parameters
    ----------
    wl
        (n,) observed vacuum wavelengths in equal steps [Angstrom].
    flux, sigma
        (n,) flux density and its error; NaN where nothing was measured. A spectrum whose errors are all
        NaN is fitted with the noise that its samples show.
    z
        Redshift.
    """
    areas = {window.name: (np.nan, np.nan) for window in _WINDOWS}
    if not np.isfinite(z) or not np.isfinite(flux).any():
        return areas
    if not np.isfinite(sigma).any():
        sigma = np.full(len(wl), _MAD * np.nanmedian(np.abs(np.diff(flux))))
    weight = 1 / np.where(sigma > 0, sigma, np.nan)
    seen = [part for window in _WINDOWS if (part := _Part.of(window, wl, flux, weight, z)) is not None]
    if not seen:
        return areas
    width = _best_width(seen)
    for part, error in zip(seen, _errors(seen, width), strict=True):
        # A flux density times a wavelength at rest, observed.
        areas[part.window.name] = (float(part.solve(width)[0][_LINE]) * (1 + z), error * (1 + z))
    return areas


class _Part(NamedTuple):
    """The measured samples of one window."""

    window: _Window
    rest: Array
    flux: Array
    weight: Array
    shared: float
    """Samples to a pixel of the spectrograph, at least 1."""

    @classmethod
    def of(cls, window: _Window, wl: Array, flux: Array, weight: Array, z: float) -> "_Part | None":
        """Return None where too little of the window was measured."""
        rest = wl / (1 + z)
        inside = np.abs(rest - window.line) < window.half_width
        measured = inside & np.isfinite(flux) & np.isfinite(weight)
        step = float(wl[1] - wl[0])
        core = np.abs(rest - window.line) < max(_CORE * _sigma(window.line, _WIDTHS[0]), step)
        due = 2 * window.half_width * (1 + z) / step
        if not core.any() or not measured[core].all() or measured.sum() < _LEAST_SHARE * due:
            return None
        shared = max(1.0, window.line * (1 + z) * _NATIVE_STEP / step)
        return cls(window, rest[measured], flux[measured], weight[measured], shared)

    def solve(self, width: float) -> tuple[Array, Array]:
        """Return the strengths of the components and the weighted residuals, at a width [km/s]."""
        design = self.design(width)
        mean, spread = self.window.absorption
        wanted = np.append(self.flux * self.weight, -mean / spread)
        found = np.linalg.lstsq(design, wanted, rcond=None)[0]
        return found, wanted - design @ found

    def design(self, width: float) -> Array:
        """Return (n_samples + 1, n_components), weighted: absorption, the line, its neighbours and the continuum.

        The last row is what is known of the absorption without this spectrum.
        """
        line, offset = self.window.line, self.rest - self.window.line
        columns = [_gaussian(offset, _ABSORPTION), _gaussian(offset, _sigma(line, width))]
        if self.window.others:
            doublet = [share * _gaussian(self.rest - wl, _sigma(wl, width)) for wl, share in self.window.others]
            columns.append(np.sum(doublet, axis=0))
        columns += [np.ones_like(offset), offset / self.window.half_width]
        known = np.zeros((1, len(columns)))
        known[0, 0] = 1 / (self.window.absorption[1] * self._continuum())
        return np.concatenate([np.stack(columns, axis=1) * self.weight[:, None], known])

    def _continuum(self) -> float:
        return max(float(np.median(self.flux)), 1 / float(np.median(self.weight)))


def _best_width(parts: Sequence[_Part]) -> float:
    """Return the width [km/s] at which the parts together are fitted best."""

    def chi2(log_width: float) -> float:
        return sum(float((part.solve(np.exp(log_width))[1] ** 2).sum()) for part in parts)

    grid = np.log(_WIDTHS)
    best = int(np.argmin([chi2(one) for one in grid]))
    bounds = (grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)])
    found = minimize_scalar(chi2, bounds=bounds, method="bounded", options={"xatol": 0.01})
    return float(np.exp(found.x))


def _errors(parts: Sequence[_Part], width: float) -> list[float]:
    """Return sigma of each part's line; the width, which they share, is one of the unknowns."""
    designs = [part.design(width) for part in parts]
    solved = [part.solve(width) for part in parts]
    slopes = [
        (part.design(width * _NUDGE) - design) @ found
        for part, design, (found, _) in zip(parts, designs, solved, strict=True)
    ]
    whole = np.concatenate([block_diag(*designs), np.concatenate(slopes)[:, None] / np.log(_NUDGE)], axis=1)
    variance = np.diag(np.linalg.pinv(whole.T @ whole))
    columns = np.cumsum([0, *(design.shape[1] for design in designs[:-1])]) + _LINE
    errors = []
    for part, design, (_, residual), column in zip(parts, designs, solved, columns, strict=True):
        scatter = residual @ residual / max(1, len(residual) - design.shape[1])
        errors.append(float(np.sqrt(variance[column] * scatter * part.shared)))
    return errors


def _sigma(line: float, width: float) -> float:
    """Return sigma [Angstrom] of a line at rest of a width [km/s]."""
    return line * width / _LIGHT_SPEED


def _gaussian(offset: Array, sigma: float) -> Array:
    """Return a Gaussian of unit area."""
    return np.exp(-0.5 * (offset / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
