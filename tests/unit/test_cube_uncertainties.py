"""Monte Carlo: residual over sigma has mean 0 and standard deviation 1, at every zoom and in every stack.

The noise is made here, electron by electron, and shares no code with the error model it judges.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiss.bands import N_ZOOMS
from hiss.cube.photometry import calibrate_frame, dark_variance, flux_per_nanomaggy, gain
from hiss.cube.rebin import Rebinner, pixel_edges, rebin_spectra
from hiss.cube.stacking import spectrum_weights, stack
from hiss.cube.zoom import zoom_images
from hiss.errors import BadInput
from hiss.sdss.frame import Frame

SIDE = 512
FIBER = 3.0
SKY = {"u": 40.0, "r": 150.0}
CAMCOL, RUN = 3, 2820
GAIN = {"u": 1.59, "r": 4.72}
DARK = {"u": 8.7025, "r": 1.3225}


def smooth_source(peak: float) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    return peak * np.exp(-((x - 250) ** 2 + (y - 260) ** 2) / (2 * 90.0**2))


def noisy_frame(band: str, rng: np.random.Generator, sky: float = 1.0, calibration: float = 0.01) -> Frame:
    """A frame of known truth: Poisson electrons of sky and source, Gaussian dark noise."""
    columns = calibration * (1 + 0.1 * np.linspace(-1, 1, SIDE))
    coarse = SKY[band] * sky * (1 + 0.1 * np.linspace(-1, 1, 64))[None, :] * np.ones((64, 1))
    positions = (np.arange(SIDE) + 0.5) / 8 - 0.5
    level = np.interp(positions, np.arange(64), coarse[0])[None, :]
    electrons = rng.poisson((level + smooth_source(60.0)) * GAIN[band])
    counts = electrons / GAIN[band] + rng.normal(0, np.sqrt(DARK[band]), electrons.shape)
    return Frame(
        path=Path("frame"),
        run=RUN,
        camcol=CAMCOL,
        field=1,
        band=band,
        image=((counts - level) * columns).astype(np.float32),
        calibration=columns.astype(np.float32),
        sky=coarse.astype(np.float32),
        x_interp=positions.astype(np.float32),
        y_interp=positions.astype(np.float32),
        header={},
        tai=0.0,
    )


def true_zooms(band: str, calibration: float = 0.01) -> list[np.ndarray]:
    columns = calibration * (1 + 0.1 * np.linspace(-1, 1, SIDE))
    truth = smooth_source(60.0) * columns * flux_per_nanomaggy(band, FIBER)
    return [
        truth.reshape(SIDE >> zoom, 1 << zoom, SIDE >> zoom, 1 << zoom).mean(axis=(1, 3)) for zoom in range(N_ZOOMS)
    ]


@pytest.mark.parametrize("band", ["u", "r"])
def test_gain_and_dark_are_those_of_the_camera(band):
    assert gain(CAMCOL, RUN, band) == GAIN[band]
    assert dark_variance(CAMCOL, RUN, band) == DARK[band]


def test_gain_and_dark_change_with_the_run():
    assert (gain(2, 1099, "u"), gain(2, 1101, "u")) == (1.595, 1.825)
    assert (dark_variance(4, 1499, "z"), dark_variance(4, 1501, "z")) == (9.61, 12.6025)
    assert (dark_variance(2, 1000, "i"), dark_variance(5, 2000, "z")) == (5.76, 2.1025)


@pytest.mark.parametrize("band", ["u", "r"])
def test_image_pulls_at_every_zoom(band):
    rng = np.random.default_rng(1)
    made = [zoom_images(*calibrate_frame(noisy_frame(band, rng), FIBER)[:2]) for _ in range(10)]
    for zoom, truth in enumerate(true_zooms(band)):
        residual = np.stack([one[zoom][0] for one in made]).astype(float) - truth
        sigma = np.stack([one[zoom][1] for one in made]).astype(float)
        assert np.mean(sigma**2) / np.mean(residual**2) == pytest.approx(1, abs=0.06)
        true_sigma = np.sqrt((sigma**2).mean(axis=0))
        assert np.mean(residual / true_sigma) == pytest.approx(0, abs=0.03)
        assert np.std(residual / true_sigma) == pytest.approx(1, abs=0.03)
        pull = residual / sigma
        # In u a native pixel's own few counts are in its sigma: the one place where the estimate shows.
        assert np.mean(pull) == pytest.approx(0, abs=0.07 if (band, zoom) == ("u", 0) else 0.03)
        assert np.std(pull) == pytest.approx(1, abs=0.03)


def image_stack(band: str, epochs: int, rng: np.random.Generator, own: bool = False):
    """One stack of epochs of unlike sky and calibration; with ``own`` the naive weights, 1 / sigma^2."""
    flux, sigma, background = [], [], []
    for epoch in range(epochs):
        frame = noisy_frame(band, rng, sky=1 + 0.6 * (epoch % 3), calibration=0.01)
        values, errors, level = calibrate_frame(frame, FIBER)
        flux.append(values)
        sigma.append(errors)
        background.append(level)
    flux, sigma = np.stack(flux), np.stack(sigma)
    if own:
        weights = sigma.astype(float) ** -2
        return (weights * flux).sum(axis=0) / weights.sum(axis=0), weights.sum(axis=0) ** -0.5
    mean, error, chi2, dof = stack(flux, sigma, np.array(background) ** -2.0)
    assert chi2 / dof == pytest.approx(1, abs=0.06 if band == "u" else 0.03)
    return mean, error


@pytest.mark.parametrize("epochs", [2, 10])
@pytest.mark.parametrize("band", ["u", "r"])
def test_stacks_of_images_are_not_biased(band, epochs):
    rng = np.random.default_rng(epochs)
    truth = true_zooms(band)
    stacks = [zoom_images(*image_stack(band, epochs, rng)) for _ in range(4)]
    for zoom in range(N_ZOOMS):
        pull = np.stack([(flux - truth[zoom]) / sigma for flux, sigma in (one[zoom] for one in stacks)])
        assert np.mean(pull) == pytest.approx(0, abs=0.06 if (band, zoom) == ("u", 0) else 0.03)
        assert np.std(pull) == pytest.approx(1, abs=0.03)


def test_weights_of_a_pixel_s_own_counts_would_be_biased():
    flux, sigma = zoom_images(*image_stack("u", 10, np.random.default_rng(3), own=True))[3]
    assert np.mean((flux - true_zooms("u")[3]) / sigma) < -1


LOGLAM = np.arange(35805, 39640) / 1e4


def noisy_spectra(n: int, rng: np.random.Generator, level: float = 1.0):
    wavelength = 10**LOGLAM
    truth = 10 + 5 * np.sin(wavelength / 300)
    sigma = level * (1 + 0.5 * np.cos(wavelength / 500))
    flux = truth + rng.normal(0, 1, (n, len(truth))) * sigma
    return truth, flux, np.broadcast_to(sigma**-2.0, flux.shape)


def test_spectrum_pulls_at_every_zoom():
    truth, flux, ivar = noisy_spectra(400, np.random.default_rng(4))
    expected = rebin_spectra([(LOGLAM, truth, ivar[0])])
    measured = rebin_spectra([(LOGLAM, *pair) for pair in zip(flux, ivar)])
    for (model, _), (values, sigma) in zip(expected, measured, strict=True):
        pull = (values - model) / sigma
        assert np.isfinite(pull).all()
        assert np.mean(pull) == pytest.approx(0, abs=0.03)
        assert np.std(pull) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("epochs", [2, 10])
def test_stacks_of_spectra_are_not_biased(epochs):
    rng = np.random.default_rng(epochs)
    rebinner = Rebinner(pixel_edges(LOGLAM))
    made = [noisy_spectra(150, rng, level=1 + epoch) for epoch in range(epochs)]
    model = rebinner(made[0][0][None], made[0][2][:1])
    zooms = [rebinner(flux, ivar) for _, flux, ivar in made]
    for zoom in range(N_ZOOMS):
        values, sigmas = (np.stack([one[zoom][part] for one in zooms]) for part in (0, 1))
        weights = spectrum_weights(np.stack([one[0][1][0] for one in zooms]))
        mean, error, chi2, dof = stack(values, sigmas, weights)
        pull = (mean - model[zoom][0]) / error
        assert np.mean(pull) == pytest.approx(0, abs=0.03)
        assert np.std(pull) == pytest.approx(1, abs=0.03)
        assert chi2 / dof == pytest.approx(1, abs=0.03)


def test_an_epoch_without_the_pixel_leaves_it_to_the_others():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 3.0, np.nan]], np.float32)
    sigmas = np.where(np.isnan(values), np.nan, 2).astype(np.float32)
    mean, sigma, chi2, dof = stack(values, sigmas, np.array([1.0, 1.0]))
    np.testing.assert_allclose(mean, [2, 3, np.nan])
    np.testing.assert_allclose(sigma, [np.sqrt(2), 2, np.nan], rtol=1e-6)
    assert (chi2, dof) == (0.5, 1)


def test_a_spectrum_that_measured_nothing_has_no_weight():
    sigma = np.array([[2.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_allclose(spectrum_weights(sigma), [0.25, 0])
    mean, error, _, dof = stack(np.array([[5.0, np.nan], [np.nan, np.nan]]), sigma, spectrum_weights(sigma))
    np.testing.assert_allclose(mean, [5, np.nan])
    np.testing.assert_allclose(error, [2, np.nan])
    assert dof == 0


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_a_pixel_that_is_not_finite_is_missing_in_flux_and_sigma(value):
    frame = noisy_frame("r", np.random.default_rng(5))
    frame.image[3, 4] = value
    for values in calibrate_frame(frame, FIBER)[:2]:
        assert np.argwhere(np.isnan(values)).tolist() == [[3, 4]]
        assert np.isinf(values).sum() == 0


def test_a_frame_whose_background_has_no_sigma_is_bad():
    frame = noisy_frame("r", np.random.default_rng(5))
    sky = np.where(np.arange(64) % 2, 3e38, -3e38).astype(np.float32)[:, None] * np.ones((1, 64), np.float32)
    with pytest.raises(BadInput, match="frame: the background's sigma is nan, not positive"):
        calibrate_frame(replace(frame, sky=sky), FIBER)


def test_an_epoch_without_a_weight_leaves_the_others():
    mean, sigma, chi2, dof = stack(np.array([[1.0], [3.0], [5.0]]), np.full((3, 1), 2.0), np.array([1.0, np.nan, 1.0]))
    np.testing.assert_allclose((mean[0], sigma[0], chi2, dof), (3, np.sqrt(2), 2, 1), rtol=1e-6)
