"""Stacks of epochs: means whose weights do not know the noise, and sigmas that do."""

import numpy as np


def spectrum_weights(sigma: np.ndarray) -> np.ndarray:
    """Return one weight a spectrum, its median sigma to the power -2; 0 for one that measured nothing.

    Parameters
    ----------
    sigma
        (n_spectra, n_samples), NaN where nothing was measured.
    """
    measured = np.isfinite(sigma).any(axis=-1)
    weights = np.zeros(len(sigma))
    weights[measured] = np.nanmedian(sigma[measured].astype(np.float64), axis=-1) ** -2.0
    return weights


def stack(values: np.ndarray, sigmas: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Return the weighted mean of epochs, its sigma, and how well the epochs agree.

    Parameters
    ----------
    values, sigmas
        (n_epochs, ...), NaN where an epoch measured nothing.
    weights
        (n_epochs,), a number an epoch that is independent of the pixels' noise: weights made of a pixel's own
        counts would bias the mean. An epoch whose weight is not finite is left out.

    Returns
    -------
    mean, sigma
        (...) float32; weights are renormalised over the epochs that measured the pixel, NaN where none did.
        sigma^2 = sum w^2 sigma_e^2 / (sum w)^2.
    chi2, dof
        sum of (value - mean)^2 / sigma_e^2 over all pixels, and its degrees of freedom.
    """
    if len(values) == 1:
        return values[0], sigmas[0], 0.0, 0
    weights = weights.reshape(-1, *[1] * (values.ndim - 1))
    measured = np.isfinite(values) & np.isfinite(sigmas) & np.isfinite(weights)
    weight = np.where(measured, weights, 0.0)
    value = np.where(measured, values, 0.0).astype(np.float64)
    sigma = np.where(measured, sigmas, 1.0).astype(np.float64)
    total = weight.sum(axis=0)
    seen = total > 0
    norm = np.where(seen, total, 1.0)
    mean = (weight * value).sum(axis=0) / norm
    variance = (np.square(weight) * np.square(sigma) * measured).sum(axis=0) / np.square(norm)
    chi2 = float((np.square(value - mean) / np.square(sigma) * measured)[:, seen].sum())
    dof = int(np.maximum(measured.sum(axis=0) - 1, 0)[seen].sum())
    mean[~seen] = variance[~seen] = np.nan
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32), chi2, dof
