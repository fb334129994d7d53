"""Baselines: what is known without learning much. No number of a model means anything without them."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiss.bands import BANDS, CUTOUT_SIZE, PIXEL_SCALE
from hiss.errors import HissError
from hiss.files import read_json, write_json
from hiss.models.base import Data, Model, fold_parts
from hiss.models.features import LINE_FEATURES
from hiss.models.halpha import LOG_SFR_OF_UNIT, aperture_words, detected, dust, log_luminosity
from hiss.models.metrics import nmad
from hiss.progress import say

Array = NDArray[np.float64]
Learned = dict[str, Any]

_BLOCK: Final = 256  # cutouts looked at at once
_FINE: Final = 8  # points a side by which the share of a pixel in the aperture is found
_TYPICAL_DUST: Final = 1.0  # A(H-alpha) [mag] of SDSS galaxies, where no training galaxy shows its own
_SOFTENING: Final = 1.042  # sigmas of noise (Lupton, Gunn & Szalay 1999, AJ 118, 1406, eq. 9)


class Baseline(Model):
    """A model of a few numbers, which sees a few quantities of each object."""

    files = ("model.json",)

    def _fit(self, train: Data, validation: Data) -> None:
        self.learned = self._learn(self._quantities(train), train.target)

    def _predict(self, data: Data) -> Array:
        return self._apply(self.learned, self._quantities(data))

    def out_of_fold(self, train: Data, fold: ArrayLike) -> Array:
        """Return (n,) predictions of each object by a baseline that was fitted without its fold."""
        quantities = self._quantities(train)
        prediction = np.empty(len(train))
        for held_out in fold_parts(fold):
            learned = self._learn(quantities[~held_out], train.target[~held_out])
            prediction[held_out] = self._apply(learned, quantities[held_out])
        return prediction

    def save(self, folder: Path) -> None:
        """Write ``model.json``: the settings, and the numbers it has learned."""
        told = {"modality": self.modality, "seed": self.seed, **self._settings()}
        write_json(folder / "model.json", {"settings": told, "n_features": self.n_features, "learned": self.learned})

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a saved baseline.

        Raises
        ------
        HissError
            When the file is not that of a baseline.
        """
        path = folder / "model.json"
        told = read_json(path)
        if not {"settings", "n_features", "learned"} <= set(told):
            raise HissError(f"{path}: is no baseline of ours; delete the run's folder and rerun it")
        model = cls(**told["settings"], threads=threads)
        model.n_features, model.learned = told["n_features"], told["learned"]
        return model

    def _settings(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    def _quantities(self, data: Data) -> Array:
        """Return (n, k), what it sees of each object."""

    @abstractmethod
    def _learn(self, quantities: Array, target: Array) -> Learned: ...

    @abstractmethod
    def _apply(self, learned: Learned, quantities: Array) -> Array: ...


class Mean(Baseline):
    """The mean label of the training objects, whatever the object: R2 is 0 by definition."""

    name = "mean"

    def _quantities(self, data: Data) -> Array:
        return np.empty((len(data), 0))

    def _learn(self, quantities: Array, target: Array) -> Learned:
        return {"mean": float(target.mean())}

    def _apply(self, learned: Learned, quantities: Array) -> Array:
        return np.full(len(quantities), learned["mean"])


class Magnitudes(Baseline):
    """Linear regression on five asinh magnitudes of the light in a round aperture on the cutout's centre.

    The magnitudes are ``-2.5 / ln 10 (asinh(f / 2b) + ln b)`` (Lupton, Gunn & Szalay 1999) of the flux density f
    [1e-17 erg s-1 cm-2 Angstrom-1]; their zero point is left to the intercept. The softening b of a band is 1.042
    sigma of the aperture's noise: the median over the training objects of the noise that the cutouts' edges show.

    Parameters
    ----------
    aperture_arcsec
        Diameter of the aperture.
    """

    name = "magnitudes"

    def __init__(self, modality: str, aperture_arcsec: float = 12.0, seed: int = 1, threads: int = 1) -> None:
        super().__init__(modality, seed, threads)
        self.aperture_arcsec = aperture_arcsec

    def _settings(self) -> dict[str, Any]:
        return {"aperture_arcsec": self.aperture_arcsec}

    def _quantities(self, data: Data) -> Array:
        """Return (n, 10): the flux in the aperture, then its noise, of each band."""
        share = aperture(self.aperture_arcsec, data.side)
        edge = np.ones((data.side, data.side), dtype=np.bool_)
        edge[1:-1, 1:-1] = False
        # An image's pixel holds the flux of a 3 arcsec aperture, so a sum over pixels is a flux up to a factor.
        found = np.empty((len(data), 2 * len(BANDS)))
        for start in range(0, len(data), _BLOCK):
            images = data.images[start : start + _BLOCK].astype(np.float64)
            pixels = images[:, :, edge]
            noise = 1.4826 * np.median(np.abs(pixels - np.median(pixels, axis=2, keepdims=True)), axis=2)
            found[start : start + _BLOCK, : len(BANDS)] = np.einsum("nbyx,yx->nb", images, share)
            found[start : start + _BLOCK, len(BANDS) :] = noise * np.sqrt((share**2).sum())
        return found

    def _learn(self, quantities: Array, target: Array) -> Learned:
        noise = np.median(quantities[:, len(BANDS) :], axis=0)
        softening = _SOFTENING * np.maximum(noise, np.finfo(np.float32).tiny)
        magnitudes = asinh_magnitudes(quantities[:, : len(BANDS)], softening)
        design = np.concatenate([magnitudes, np.ones((len(magnitudes), 1))], axis=1)
        weights = np.linalg.lstsq(design, target, rcond=None)[0]
        return {"softening": softening.tolist(), "weights": weights[:-1].tolist(), "intercept": float(weights[-1])}

    def _apply(self, learned: Learned, quantities: Array) -> Array:
        magnitudes = asinh_magnitudes(quantities[:, : len(BANDS)], np.array(learned["softening"]))
        return magnitudes @ np.array(learned["weights"]) + learned["intercept"]


def aperture(diameter: float, side: int) -> Array:
    """Return (side, side), the share of each pixel of a cutout that lies in a round aperture on its centre.

    Parameters
    ----------
    diameter
        Of the aperture [arcsec].
    side
        Of the cutout [pixel], which is 25.3 arcsec wide at every zoom.
    """
    point = (np.arange(side * _FINE) + 0.5) / (side * _FINE) - 0.5
    radius = CUTOUT_SIZE * PIXEL_SCALE * np.hypot(*np.meshgrid(point, point))
    inside = (radius <= diameter / 2).reshape(side, _FINE, side, _FINE)
    return inside.mean(axis=(1, 3))


def asinh_magnitudes(flux: Array, softening: Array) -> Array:
    """Return asinh magnitudes (n, k) of fluxes (n, k), up to their zero point.

    Parameters
    ----------
    softening
        (k,) flux b below which they are linear, above 0.

    Notes
    -----
    Lupton, Gunn & Szalay 1999, AJ 118, 1406.
    """
    return -2.5 / np.log(10) * (np.arcsinh(flux / (2 * softening)) + np.log(softening))


class HAlpha(Baseline):
    """The rate that the H-alpha luminosity of the spectrum tells.

    The Balmer decrement gives the dust; an object whose H-beta is not detected (signal to noise below 3) has the
    median attenuation of the training objects that show theirs, or 1 mag where none does. An object whose H-alpha is
    not detected, or not in the spectrum, has the mean label of the training objects of that kind. The line is of the
    light in the fibre, the label of the whole galaxy: ``formula`` is below it by what lies outside. An active nucleus
    is taken for star formation.

    Parameters
    ----------
    scale
        ``formula``: SFR = 7.9e-42 L / 1.5 as it stands; ``fitted``: a straight line of log SFR on log L, fitted to the
        training objects, which corrects for the aperture on average.
    """

    name = "halpha"
    takes_nan = True

    def __init__(self, modality: str, scale: str = "formula", seed: int = 1, threads: int = 1) -> None:
        super().__init__(modality, seed, threads)
        self.scale = scale

    def _settings(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def _fit(self, train: Data, validation: Data) -> None:
        if self.scale not in ("formula", "fitted"):
            raise HissError(f"halpha: there is no scale {self.scale!r}; choose formula or fitted")
        super()._fit(train, validation)
        say(aperture_words(self.learned))

    def _quantities(self, data: Data) -> Array:
        """Return (n, 2): log10 luminosity [erg/s] with its dust and A(H-alpha) [mag], NaN of lines not detected."""
        column = dict(zip(LINE_FEATURES, data.extras.astype(np.float64).T, strict=True))
        z, h_alpha, h_beta = (column[name] for name in ("z", "h_alpha", "h_beta"))
        found = np.full((len(data), 2), np.nan)
        seen = detected(h_alpha, column["h_alpha_sigma"]) & (z > 0)
        both = seen & detected(h_beta, column["h_beta_sigma"])
        found[seen, 0] = log_luminosity(h_alpha[seen], z[seen])
        found[both, 1] = dust(h_alpha[both], h_beta[both])
        return found

    def _learn(self, quantities: Array, target: Array) -> Learned:
        seen, both = np.isfinite(quantities).T
        attenuation = float(np.median(quantities[both, 1])) if both.any() else _TYPICAL_DUST
        log_l, sfr = _without_dust(quantities[seen], attenuation), target[seen]
        in_fibre = log_l + LOG_SFR_OF_UNIT
        slope, intercept = 1.0, LOG_SFR_OF_UNIT
        if self.scale == "fitted" and len(np.unique(log_l)) > 1:
            slope, intercept = (float(value) for value in np.polyfit(log_l, sfr, 1))
        return {
            "slope": slope,
            "intercept": intercept,
            "attenuation": attenuation,
            "undetected": float((target if seen.all() else target[~seen]).mean()),
            "n_detected": int(seen.sum()),
            "n_undetected": int((~seen).sum()),
            "aperture_offset": float(np.median(sfr - in_fibre)) if seen.sum() > 1 else None,
            "aperture_scatter": nmad(sfr, in_fibre) if seen.sum() > 1 else None,
        }

    def _apply(self, learned: Learned, quantities: Array) -> Array:
        seen = np.isfinite(quantities[:, 0])
        prediction = np.full(len(quantities), learned["undetected"])
        log_l = _without_dust(quantities[seen], learned["attenuation"])
        prediction[seen] = learned["intercept"] + learned["slope"] * log_l
        return prediction


def _without_dust(quantities: Array, attenuation: float) -> Array:
    """Return log10 luminosities (n,), of objects without a decrement with a typical attenuation [mag]."""
    return quantities[:, 0] + 0.4 * np.where(np.isnan(quantities[:, 1]), attenuation, quantities[:, 1])


_TYPES: Final[dict[str, type[Baseline]]] = {kind.name: kind for kind in (Mean, Magnitudes, HAlpha)}


def baseline_type(name: str) -> type[Baseline]:
    """Return the class of a baseline.

    Raises
    ------
    HissError
        For an unknown name.
    """
    if name not in _TYPES:
        raise HissError(f"there is no baseline {name!r}; choose among {', '.join(_TYPES)}")
    return _TYPES[name]
