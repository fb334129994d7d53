"""Monte Carlo: residual over true sigma has mean 0 and standard deviation 1, at every zoom and in every stack.

The noise is made in benchmarks/pulls.py, electron by electron, and shares no code with the error model it judges.
"""

import runpy
from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from hiss.bands import BANDS, N_ZOOMS
from hiss.cube.photometry import dark_variance, gain
from hiss.cube.rebin import rebin_spectra
from hiss.cube.stacking import spectrum_weights, stack
from hiss.cube.zoom import zoom_images
from hiss.errors import BadInput
from hiss.sdss.frame import read_frame


@pytest.fixture(scope="module")
def drawn(repo):
    """The names of benchmarks/pulls.py."""
    return runpy.run_path(str(repo / "benchmarks" / "pulls.py"))


def true(pulls, tolerance=0.03):
    assert len(pulls) == N_ZOOMS
    for one in pulls:
        assert one.mean == pytest.approx(0, abs=tolerance)
        assert one.std == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize("band", BANDS)
def test_gain_and_dark_are_those_of_the_camera(band, drawn):
    assert gain(drawn["CAMCOL"], drawn["RUN"], band) == drawn["GAIN"][band]
    assert dark_variance(drawn["CAMCOL"], drawn["RUN"], band) == drawn["DARK"][band]


def test_gain_and_dark_change_with_the_run():
    assert (gain(2, 1099, "u"), gain(2, 1101, "u")) == (1.595, 1.825)
    assert (dark_variance(4, 1499, "z"), dark_variance(4, 1501, "z")) == (9.61, 12.6025)
    assert (dark_variance(2, 1000, "i"), dark_variance(5, 2000, "z")) == (5.76, 2.1025)


@pytest.mark.parametrize(("epochs", "repeats"), [(1, 6), (2, 4), (10, 3)])
@pytest.mark.parametrize("band", ["u", "r"])
def test_image_pulls_at_every_zoom_alone_and_stacked(band, epochs, repeats, drawn):
    pulls = drawn["image_pulls"](band, epochs, repeats, seed=epochs)
    true(pulls)
    for zoom, one in enumerate(pulls):
        # A native u pixel's own few counts are in its estimated sigma: the one place where that shows.
        bias = {1: 0.09, 2: 0.07}.get(epochs, 0.04) / 2**zoom if band == "u" else 0
        assert -bias - 0.03 < one.mean_estimated < 0.03
        assert one.std_estimated == pytest.approx(1, abs=0.05 if band == "u" else 0.03)


def test_the_estimated_sigma_of_few_counts_is_biased_as_known(drawn):
    assert -0.09 < drawn["image_pulls"]("u", 1, 4, seed=3)[0].mean_estimated < -0.05


def test_weights_of_a_pixel_s_own_counts_would_be_biased(drawn):
    pulls = drawn["image_pulls"]("u", 10, 1, seed=3, own_counts=True)
    assert pulls[3].mean < -2
    with pytest.raises(AssertionError):
        true(pulls, tolerance=0.2)


@pytest.mark.parametrize("epochs", [1, 2, 10])
def test_spectrum_pulls_at_every_zoom_alone_and_stacked(epochs, drawn):
    pulls = drawn["spectrum_pulls"](epochs, 150, seed=epochs)
    true(pulls)
    for one in pulls:
        assert one.std_estimated == pytest.approx(one.std, abs=2e-3)


@pytest.mark.parametrize("band", ["u", "r"])
def test_chi_square_of_a_stack_is_what_is_expected_of_it(band, drawn):
    rng = np.random.default_rng(7)
    frames = [drawn["observe"](band, rng, 1 + 2.0 * epoch) for epoch in range(3)]
    values, _, level = (np.stack(part) for part in zip(*(drawn["calibrate"](frame) for frame, _ in frames)))
    true_sigma = np.stack([sigma for _, sigma in frames])
    # The deepest epoch gets the least weight: the mean is far from it.
    for weights in (level**-2.0, level**2.0):
        *_, chi2, dof = stack(values[:, None], true_sigma[:, None], weights[:, None])
        assert chi2 / dof == pytest.approx(1, abs=0.01)
    assert dof > 1.1 * 2 * values[0].size


def test_chi_square_of_spectra_is_what_is_expected_of_it(drawn):
    rng = np.random.default_rng(8)
    made = [drawn["draw_spectra"](100, rng, 1.0 + epoch) for epoch in range(3)]
    zooms = [
        rebin_spectra([(drawn["LOGLAM"], one, sigma**-2.0) for one in flux])[0] for _, sigma, flux in made
    ]  # fmt: skip
    values, sigmas = (np.stack([zoom[part] for zoom in zooms]) for part in (0, 1))
    *_, chi2, dof = stack(values, sigmas, np.stack([spectrum_weights(sigma) for sigma in sigmas]))
    assert chi2.shape == dof.shape == (100,)
    assert np.mean(chi2 / dof) == pytest.approx(1, abs=0.01)


def test_an_epoch_without_the_pixel_leaves_it_to_the_others():
    values = np.array([[[1.0, np.nan, np.nan]], [[3.0, 3.0, np.nan]]], np.float32)
    sigmas = np.where(np.isnan(values), np.nan, 2).astype(np.float32)
    mean, sigma, chi2, dof = stack(values, sigmas, np.ones((2, 1)))
    np.testing.assert_allclose(mean, [[2, 3, np.nan]])
    np.testing.assert_allclose(sigma, [[np.sqrt(2), 2, np.nan]], rtol=1e-6)
    np.testing.assert_allclose((chi2, dof), ([0.5], [1]))


def test_stacks_do_not_depend_on_what_is_stacked_beside_them():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (3, 40, 64, 64)).astype(np.float32)
    sigmas = rng.uniform(1, 2, values.shape).astype(np.float32)
    values[1, 7, 3] = np.nan
    weights = rng.uniform(1, 2, (3, 40))
    together = stack(values, sigmas, weights)
    for number in (0, 7, 39):
        some = slice(number, number + 1)
        for one, all_ in zip(stack(values[:, some], sigmas[:, some], weights[:, some]), together):
            np.testing.assert_array_equal(one[0], all_[number])


def test_a_spectrum_that_measured_nothing_has_no_weight():
    sigma = np.array([[2.0, np.nan, 4.0], [np.nan, np.nan, np.nan], [1.0, 5.0, 2.0]])
    np.testing.assert_allclose(spectrum_weights(sigma), [1 / 9, 0, 0.25])
    values = np.where(np.isnan(sigma), np.nan, 5.0)[:2, None]
    mean, error, _, dof = stack(values, sigma[:2, None], spectrum_weights(sigma)[:2, None])
    np.testing.assert_allclose(mean, [[5, np.nan, 5]])
    np.testing.assert_allclose(error, [[2, np.nan, 4]])
    assert dof == 0


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_a_pixel_that_is_not_finite_is_missing_in_flux_and_sigma(value, drawn):
    frame, _ = drawn["observe"]("r", np.random.default_rng(5))
    frame.image[3, 4] = value
    for values in drawn["calibrate"](frame)[:2]:
        assert np.argwhere(np.isnan(values)).tolist() == [[3, 4]]
        assert np.isinf(values).sum() == 0


def test_a_frame_whose_background_has_no_sigma_is_bad(drawn):
    frame, _ = drawn["observe"]("r", np.random.default_rng(5))
    sky = np.where(np.arange(64) % 2, 3e38, -3e38).astype(np.float32)[:, None] * np.ones((1, 64), np.float32)
    with pytest.raises(BadInput, match="frame: the background's sigma is nan, not positive"):
        drawn["calibrate"](replace(frame, sky=sky))


def test_an_epoch_without_a_weight_leaves_the_others():
    values, weights = np.array([1.0, 3.0, 5.0]).reshape(3, 1, 1), np.array([[1.0], [np.nan], [1.0]])
    mean, sigma, chi2, dof = stack(values, np.full((3, 1, 1), 2.0), weights)
    np.testing.assert_allclose((mean[0, 0], sigma[0, 0], chi2[0], dof[0]), (3, np.sqrt(2), 2, 1), rtol=1e-6)


@pytest.fixture(scope="module")
def frames(sdss_files):
    """The five real frames of run 2820."""
    paths = sorted((sdss_files / "images").rglob("frame-*-002820-*.bz2"))
    return {frame.band: frame for frame in map(read_frame, paths)}


def in_blocks(image, side):
    rows, columns = (length // side for length in image.shape)
    return image[: rows * side, : columns * side].reshape(rows, side, columns, side)


@pytest.mark.parametrize("band", BANDS)
def test_blank_sky_of_real_frames_is_as_noisy_as_sigma_says(band, frames, drawn):
    flux, sigma, _ = drawn["calibrate"](frames[band])
    zooms = zoom_images(flux, sigma)
    # Blank are blocks of 64 native pixels in which no pixel of zoom 2 stands out from their median.
    values, errors = (in_blocks(part, 16) for part in zooms[2])
    blank = (np.abs(values - np.median(values, axis=(1, 3), keepdims=True)) < 4.5 * errors).all(axis=(1, 3))
    assert blank.sum() > 40
    for zoom, pair in enumerate(zooms):
        values, errors = (in_blocks(part, 64 >> zoom) for part in pair)
        pulls = np.diff(values, axis=3)[..., ::2] / np.hypot(errors[..., ::2], errors[..., 1::2])
        assert pulls.transpose(0, 2, 1, 3)[blank].std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("band", BANDS)
def test_the_frame_data_model_s_formula_is_reproduced(band, frames, drawn):
    frame = frames[band]
    grid = [np.arange(length) for length in frame.sky.shape]
    general = RegularGridInterpolator(grid, frame.sky.astype(np.float64))
    places = [np.clip(place, 0, len(axis) - 1) for place, axis in zip((frame.y_interp, frame.x_interp), grid)]
    sky = general(np.stack(np.meshgrid(*places, indexing="ij"), axis=-1))
    counts = frame.image.astype(np.float64) / frame.calibration + sky
    error = np.sqrt(np.maximum(counts, 0) / drawn["GAIN"][band] + drawn["DARK"][band]) * frame.calibration
    flux, sigma, background = drawn["calibrate"](frame)
    np.testing.assert_allclose(flux, frame.image * drawn["to_flux"](band), rtol=1e-5)
    np.testing.assert_allclose(sigma, error * drawn["to_flux"](band), rtol=2e-5)
    assert background == pytest.approx(np.median(sigma), rel=0.05)
