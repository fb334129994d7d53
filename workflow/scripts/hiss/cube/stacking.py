"""Stacks of epochs: means whose weights do not know the noise, and sigmas that do."""

from typing import Final

import numpy as np

_BLOCK: Final = 2**15  # samples of an epoch stacked at a time: what is made of them stays in the processor's cache


def spectrum_weights(sigma: np.ndarray) -> np.ndarray:
    """Return one weight a spectrum, its median sigma to the power -2; 0 for one that measured nothing.

    Parameters
    ----------
    sigma
        (n_spectra, n_samples), NaN where nothing was measured.
    """
    ordered = np.sort(sigma, axis=-1).astype(np.float64)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=-1)
    rows = np.arange(len(sigma))
    median = (ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, count // 2 * (count > 0)]) / 2
    weights = np.zeros(len(sigma))
    np.power(median, -2.0, out=weights, where=count > 0)
    return weights


def stack(
    values: np.ndarray, sigmas: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the weighted means of epochs, their sigmas, and how well the epochs agree.

    Parameters
    ----------
    values, sigmas
        (n_epochs, n_stacks, ...), NaN where an epoch measured nothing.
    weights
        (n_epochs, n_stacks), a number an epoch that is independent of the pixels' noise: weights made of a pixel's
        own counts would bias the mean. An epoch whose weight is not finite is left out.

    Returns
    -------
    mean, sigma
        (n_stacks, ...) float32; weights are renormalised over the epochs that measured the pixel, NaN where none did.
        sigma^2 = sum w^2 sigma_e^2 / (sum w)^2.
    chi2, dof
        (n_stacks,) sum of (value - mean)^2 / sigma_e^2 over all pixels, and what it is expected to be.

    Notes
    -----
    Of n epochs, chi-square is expected to be n - 2 + sigma^2 sum 1 / sigma_e^2: n - 1 where the weights are
    1 / sigma_e^2, more where they are not, because the mean is then farther from the epochs than it could be.
    """
    n_epochs, n_stacks = values.shape[:2]
    if n_epochs == 1:
        return values[0], sigmas[0], np.zeros(n_stacks), np.zeros(n_stacks)
    shape = values.shape[1:]
    values, sigmas = (part.reshape(n_epochs, n_stacks, -1) for part in (values, sigmas))
    mean, sigma = np.empty(values.shape[1:], np.float32), np.empty(values.shape[1:], np.float32)
    chi2, dof = np.empty(n_stacks), np.empty(n_stacks)
    step = max(1, _BLOCK // max(1, values.shape[-1]))
    for first in range(0, n_stacks, step):
        some = slice(first, first + step)
        parts = (part[:, some] for part in (values, sigmas, weights))
        mean[some], sigma[some], chi2[some], dof[some] = _stack(*parts)
    return mean.reshape(shape), sigma.reshape(shape), chi2, dof


def _stack(values: np.ndarray, sigmas: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Stack (n_epochs, n_stacks, n_samples)."""
    value, sigma, weight = values.astype(np.float64), sigmas.astype(np.float64), weights[..., None]
    measured = np.isfinite(value) & np.isfinite(sigma) & np.isfinite(weight)
    several = np.float64(1)
    if not measured.all():
        value, sigma = np.where(measured, value, 0.0), np.where(measured, sigma, 1.0)
        weight = np.where(measured, weight, 0.0)
        several = (measured.sum(axis=0) > 1).astype(np.float64)
    total = weight.sum(axis=0)
    seen = total > 0
    total = np.where(seen, total, 1.0)
    mean = (weight * value).sum(axis=0) / total
    square = np.square(sigma)
    variance = (np.square(weight) * square).sum(axis=0) / np.square(total)
    inverse = (weight > 0) / square
    value -= mean
    chi2 = (np.square(value) * inverse).sum(axis=0).sum(axis=-1)  # einsum's last digit would follow the batch
    expected = ((weight > 0).sum(axis=0) - 2 + variance * inverse.sum(axis=0)) * several
    if not seen.all():
        mean, variance = np.where(seen, mean, np.nan), np.where(seen, variance, np.nan)
        expected = np.where(seen, expected, 0.0)
    return mean, np.sqrt(variance), chi2, np.broadcast_to(expected, mean.shape).sum(axis=-1)
