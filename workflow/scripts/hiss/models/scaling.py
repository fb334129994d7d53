"""How cutouts and spectra become a network's input, fitted on the training objects alone."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.models.base import Data, Floats

LINEAR_SCALE = 255.0
"""What the thesis divides by (3.4)."""

_NORMAL = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


@dataclass(frozen=True)
class ImageScaling:
    """asinh: x -> (asinh(x / scale) - mean) / std; standard: (x - mean) / std, each a band's; linear: x / 255.

    The scale is the training set's sky noise, never the cutout's own: brightness is luminosity, and must stay.
    """

    kind: str
    scale: list[float]
    mean: list[float]
    std: list[float]

    @classmethod
    def fit(cls, data: Data, kind: str) -> Self:
        """Take the scale of each band from the sky noise of training objects, mean and std from their pixels.

        Parameters
        ----------
        kind
            ``asinh``, ``standard`` or ``linear``.

        Raises
        ------
        HissError
            For another kind, or for asinh without the noise of the cutouts.
        """
        n_bands = data.images.shape[1]
        if kind == "linear":
            return cls(kind, [LINEAR_SCALE] * n_bands, [0.0] * n_bands, [1.0] * n_bands)
        if kind not in ("asinh", "standard"):
            raise HissError(f"images are scaled by asinh, standard or linear, not {kind!r}")
        scale = np.ones(n_bands) if kind == "standard" else _sky_noise(data)
        unit = cls(kind, scale.tolist(), [0.0] * n_bands, [1.0] * n_bands)
        bands = [unit.apply(data.images[:, [band]], [band]) for band in range(n_bands)]
        mean = [float(values.mean(dtype=np.float64)) for values in bands]
        std = [max(float(values.std(dtype=np.float64)), 1e-6) for values in bands]
        return cls(kind, scale.tolist(), mean, std)

    def apply(self, images: Floats, bands: list[int] | None = None) -> Floats:
        """Return scaled images (n, n_bands, side, side) float32, of those bands where not of all."""
        chosen = slice(None) if bands is None else bands
        scale, mean, std = (
            np.asarray(values, dtype=np.float32)[chosen, None, None] for values in (self.scale, self.mean, self.std)
        )
        scaled: Floats = images / scale
        if self.kind == "asinh":
            np.arcsinh(scaled, out=scaled)
        scaled -= mean
        scaled /= std
        return scaled


def _sky_noise(data: Data) -> NDArray[np.float64]:
    """Give the noise of each band: the median of what is known or, where nothing is, the scatter of the pixels."""
    if data.sky_sigma is None:
        raise HissError("asinh scaling needs the sigma of the cutouts; give image_sigma")
    sky_sigma, images = data.sky_sigma, data.images
    noise = np.empty(sky_sigma.shape[1])
    for band, sigma in enumerate(sky_sigma.T):
        known = sigma[np.isfinite(sigma)]
        if len(known):
            noise[band] = np.median(known)
            continue
        pixels = images[:, band].reshape(len(images), -1)
        deviation = np.abs(pixels - np.median(pixels, axis=1, keepdims=True))
        noise[band] = _NORMAL * np.median(deviation)
    if not (np.isfinite(noise) & (noise > 0)).all():
        raise HissError(f"the sky noise of the training cutouts is {noise}; it must be positive in every band")
    return noise


@dataclass(frozen=True)
class SpectrumScaling:
    """x -> sign(s) log(1 + |s|), s = x / norm, norm = mean |x| of the spectrum; log10(norm) stays beside it.

    Both are standardised, the shape sample by sample about the training mean with one width for all. A missing sample
    is left out of all of these, and becomes 0, the training mean.
    """

    mean: list[float]
    std: float
    norm_mean: float
    norm_std: float

    @classmethod
    def fit(cls, data: Data) -> Self:
        """Take means and widths from training objects."""
        shape, norm = _shape_and_norm(data.spectra)
        missing = np.isnan(shape)
        if missing.any():
            mean = np.where(missing, 0, shape).sum(axis=0, dtype=np.float64) / np.maximum((~missing).sum(axis=0), 1)
            std = float((shape - mean.astype(np.float32))[~missing].std(dtype=np.float64))
        else:
            mean = shape.mean(axis=0, dtype=np.float64)
            std = float((shape - mean.astype(np.float32)).std(dtype=np.float64))
        return cls(mean.tolist(), max(std, 1e-6), float(norm.mean()), max(float(norm.std()), 1e-6))

    def apply(self, spectra: Floats) -> tuple[Floats, Floats]:
        """Return scaled spectra (n, n_samples) and log-norms (n, 1), float32."""
        shape, norm = _shape_and_norm(spectra)
        shape -= np.asarray(self.mean, dtype=np.float32)
        shape /= np.float32(self.std)
        shape[np.isnan(shape)] = 0
        return shape, ((norm - self.norm_mean) / self.norm_std).astype(np.float32)[:, None]


def _shape_and_norm(spectra: Floats) -> tuple[Floats, NDArray[np.float64]]:
    size, missing = np.abs(spectra), np.isnan(spectra)
    norm = size.mean(axis=1, dtype=np.float64)
    if missing.any():
        norm = np.where(missing, 0, size).sum(axis=1, dtype=np.float64) / np.maximum((~missing).sum(axis=1), 1)
    norm = np.maximum(norm, np.finfo(np.float32).tiny)
    shape = spectra / norm[:, None].astype(np.float32)
    logged: Floats = np.copysign(np.log1p(np.abs(shape)), shape)
    return logged, np.log10(norm)


@dataclass(frozen=True)
class ScalarScaling:
    """x -> (x - mean) / std for numbers that stand beside images and spectra, as the redshift."""

    mean: list[float]
    std: list[float]

    @classmethod
    def fit(cls, data: Data) -> Self:
        """Take mean and std of each from training objects; one that is the same for all of them is not stretched."""
        values = data.extras.astype(np.float64)
        std = values.std(axis=0)
        return cls(values.mean(axis=0).tolist(), np.where(std > 1e-6, std, 1.0).tolist())

    def apply(self, values: Floats) -> Floats:
        """Return scaled numbers (n, n_extras) float32."""
        scaled: Floats = ((values - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)
        return scaled


@dataclass(frozen=True)
class ColumnScaling:
    """x -> (x - mean) / std, each sample by itself, as the coefficients of a sound have it; missing ones are 0."""

    mean: list[float]
    std: list[float]

    @classmethod
    def fit(cls, data: Data) -> Self:
        """Take mean and std of each sample from the training objects that have it."""
        known = np.isfinite(data.spectra)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, data.spectra, 0).sum(axis=0, dtype=np.float64) / count
        variance = (np.where(known, data.spectra - mean, 0) ** 2).sum(axis=0, dtype=np.float64) / count
        return cls(mean.tolist(), np.maximum(np.sqrt(variance), 1e-6).tolist())

    def apply(self, spectra: Floats) -> Floats:
        """Return scaled spectra (n, n_samples) float32."""
        scaled: Floats = ((spectra - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)
        return np.nan_to_num(scaled, copy=False, nan=0.0)


@dataclass(frozen=True)
class Scaling:
    """The scaling of a network's inputs and of its label; the codes of classes stay as they are."""

    images: ImageScaling | None
    spectra: SpectrumScaling | ColumnScaling | None
    extras: ScalarScaling | None
    target_mean: float
    target_std: float

    @classmethod
    def fit(cls, train: Data, image_scaling: str, spectrum_scaling: str = "log_norm") -> Self:
        """Fit on training objects whatever the modality has.

        Parameters
        ----------
        image_scaling
            As of `ImageScaling`.
        spectrum_scaling
            ``log_norm`` (`SpectrumScaling`) or ``standard`` (`ColumnScaling`).

        Raises
        ------
        HissError
            For another scaling.
        """
        kinds: dict[str, type[SpectrumScaling] | type[ColumnScaling]]
        kinds = {"log_norm": SpectrumScaling, "standard": ColumnScaling}
        if spectrum_scaling not in kinds:
            raise HissError(f"spectra are scaled by log_norm or standard, not {spectrum_scaling!r}")
        return cls(
            images=ImageScaling.fit(train, image_scaling) if train.side else None,
            spectra=kinds[spectrum_scaling].fit(train) if train.n_samples else None,
            extras=ScalarScaling.fit(train) if train.n_extras else None,
            target_mean=0.0 if train.classes else float(train.target.mean()),
            target_std=1.0 if train.classes else max(float(train.target.std()), 1e-6),
        )

    @property
    def n_scalars(self) -> int:
        """Numbers that stand beside images and spectra: the spectrum's norm, and the extras."""
        norms = 1 if isinstance(self.spectra, SpectrumScaling) else 0
        return norms + (len(self.extras.mean) if self.extras else 0)

    def apply(self, data: Data) -> list[Floats]:
        """Return a network's inputs, float32, as far as there are some.

        They are images (n, side, side, bands), spectra (n, n_samples), scalars (n, n_scalars).
        """
        inputs: list[Floats] = []
        scalars: list[Floats] = []
        if self.images:
            inputs.append(np.moveaxis(self.images.apply(data.images), 1, 3))
        if isinstance(self.spectra, SpectrumScaling):
            shape, norm = self.spectra.apply(data.spectra)
            inputs.append(shape)
            scalars.append(norm)
        elif self.spectra:
            inputs.append(self.spectra.apply(data.spectra))
        if self.extras:
            scalars.append(self.extras.apply(data.extras))
        return [*inputs, np.concatenate(scalars, axis=1)] if scalars else inputs

    def label(self, target: NDArray[np.float64]) -> Floats:
        """Return the scaled label (n,) float32."""
        scaled: Floats = ((target - self.target_mean) / self.target_std).astype(np.float32)
        return scaled

    def unscaled(self, prediction: Floats) -> NDArray[np.float64]:
        """Return predictions (n,) in the unit of the label."""
        values: NDArray[np.float64] = prediction.astype(np.float64) * self.target_std + self.target_mean
        return values

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return what `as_dict` told."""
        images, spectra, extras = values["images"], values["spectra"], values["extras"]
        return cls(
            images=None if images is None else ImageScaling(**images),
            spectra=None if spectra is None else _spectrum_scaling(spectra),
            extras=None if extras is None else ScalarScaling(**extras),
            target_mean=values["target_mean"],
            target_std=values["target_std"],
        )


def _spectrum_scaling(values: dict[str, Any]) -> SpectrumScaling | ColumnScaling:
    return SpectrumScaling(**values) if "norm_mean" in values else ColumnScaling(**values)
