"""What the values mean: flux that is conserved, gaps of either kind, the filters' transmission, fewer bits."""

import itertools

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hiss.bands import BAND_WAVELENGTH, BANDS, N_ZOOMS
from hiss.cube.cutouts import Cutouts
from hiss.cube.layout import REFERENCE_DTYPE, images_group
from hiss.cube.precision import round_mantissa
from hiss.cube.rebin import bin_edges, pixel_edges, rebin_spectra
from hiss.cube.transmission import filter_transmissions, transmission
from hiss.cube.zoom import zoom_images
from hiss.sdss.spectrum import read_spectrum

LOGLAM = np.arange(35805, 39640) / 1e4


def noisy(shape, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(10, 3, shape).astype(np.float32), rng.uniform(1, 2, shape).astype(np.float32)


def test_the_flux_of_an_image_is_the_same_at_every_zoom():
    flux, sigma = noisy((20, 5, 64, 64))
    for zoom, (coarse, _) in enumerate(zoom_images(flux, sigma)):
        sums = coarse.sum(axis=(-2, -1), dtype=np.float64) * 4**zoom
        np.testing.assert_allclose(sums, flux.sum(axis=(-2, -1), dtype=np.float64), rtol=1e-5)


def test_real_spectra_keep_their_integral_at_every_zoom(sdss_files):
    paths = sorted((sdss_files / "spectra").glob("spec-*.fits"))[:6]
    for spectrum in map(read_spectrum, paths):
        measured = np.where(spectrum.ivar > 0, spectrum.flux, 0).astype(np.float64)
        edges = pixel_edges(spectrum.loglam)
        native = np.concatenate([[0], np.cumsum(measured * np.diff(edges))])
        zooms = rebin_spectra([(spectrum.loglam, measured, np.ones_like(measured))])
        for zoom, (values, _) in enumerate(zooms):
            bins = bin_edges(zoom)
            expected = np.diff(np.interp(bins[[3, -4]], edges, native))[0]
            total = (values[0][3:-3] * np.diff(bins)[3:-3]).sum(dtype=np.float64)
            # loglam is float32 in the files; rebinning takes it to the grid that it is on.
            assert total == pytest.approx(expected, rel=1e-5)


def test_a_block_is_missing_with_any_of_its_pixels_or_is_the_mean_of_those_measured():
    flux, sigma = noisy((3, 13, 17))
    rng = np.random.default_rng(2)
    gone = rng.random(flux.shape) < 0.2
    gone[0, :8, :8] = True
    flux[gone] = sigma[gone] = np.nan
    any_, measured = zoom_images(flux, sigma), zoom_images(flux, sigma, "measured")
    for zoom in range(N_ZOOMS):
        side = 2**zoom
        for frame, row, column in np.ndindex(3, 13 // side, 17 // side):
            block = (frame, slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side))
            values, errors = flux[block].astype(float).ravel(), sigma[block].astype(float).ravel()
            seen = np.isfinite(values)
            whole = (values.mean(), np.sqrt((errors**2).sum()) / len(values))
            expected = (np.nan, np.nan)
            if seen.any():
                expected = (values[seen].mean(), np.sqrt((errors[seen] ** 2).sum()) / seen.sum())
            for pairs, wanted in ((any_, whole), (measured, expected)):
                got = [part[frame, row, column] for part in pairs[zoom]]
                np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_what_is_wholly_measured_has_the_same_bits_either_way():
    flux, sigma = noisy((2, 64, 64))
    flux[1, 5, 5] = sigma[1, 5, 5] = np.nan
    for one, other in zip(zoom_images(flux, sigma), zoom_images(flux, sigma, "measured")):
        for part, same in zip(one, other):
            np.testing.assert_array_equal(part[np.isfinite(part)], same[np.isfinite(part)])
    ivar = np.ones((2, len(LOGLAM)))
    ivar[1, 700:703] = 0
    spectra = [(LOGLAM, *pair) for pair in zip(noisy(ivar.shape)[0], ivar)]
    for one, other in zip(rebin_spectra(spectra), rebin_spectra(spectra, missing="measured")):
        for part, same in zip(one, other):
            np.testing.assert_array_equal(part[np.isfinite(part)], same[np.isfinite(part)])
            assert np.isnan(part[1]).sum() > np.isnan(same[1]).sum()


@pytest.mark.parametrize("shift", [0.0, 0.4e-4], ids=["common grid", "grid of its own"])
def test_a_bin_may_be_the_mean_of_its_measured_samples(shift):
    loglam = LOGLAM[300:-200] + shift  # ends within the range of the bins
    flux, sigma = (part.astype(float) for part in noisy(len(loglam)))
    gone = np.zeros(len(loglam), bool)
    gone[[40, 500, *range(800, 840)]] = True
    zooms = rebin_spectra([(loglam, flux, np.where(gone, 0, sigma**-2))], missing="measured")
    edges = 10 ** np.append(loglam - 0.5e-4, loglam[-1] + 0.5e-4)
    for zoom, (values, errors) in enumerate(zooms):
        bins = bin_edges(zoom)
        for place, (low, high) in enumerate(itertools.pairwise(bins)):
            overlap = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
            overlap[gone] = 0
            if overlap.sum() == 0:
                assert np.isnan(values[0][place])
                assert np.isnan(errors[0][place])
            elif overlap.sum() > 1e-6:
                share = overlap / overlap.sum()
                np.testing.assert_allclose(values[0][place], (share * flux).sum(), rtol=1e-5)
                np.testing.assert_allclose(errors[0][place], np.sqrt((share**2 * sigma**2).sum()), rtol=1e-5)


def test_the_filters_are_those_of_sdss():
    wavelength = np.arange(2900.0, 11300.0)
    curves = filter_transmissions(wavelength)
    assert curves.shape == (len(BANDS), len(wavelength))
    assert ((curves >= 0) & (curves < 1)).all()
    np.testing.assert_allclose((curves * wavelength).sum(axis=1) / curves.sum(axis=1), BAND_WAVELENGTH, rtol=0.02)
    np.testing.assert_array_equal(transmission(wavelength), curves.max(axis=0))
    assert (transmission(np.array([2000.0, 12000.0])) == 0).all()
    assert (transmission(np.arange(3600.0, 11000.0)) > 0).all()


@pytest.mark.parametrize("shift", [0.0, 0.4e-4], ids=["common grid", "grid of its own"])
def test_transmission_is_applied_to_the_native_samples_of_flux_and_sigma(shift):
    loglam = LOGLAM + shift
    flux, sigma = (part.astype(float) for part in noisy(len(loglam)))
    curve = transmission(10**loglam)
    expected = rebin_spectra([(loglam, flux * curve, (sigma * curve) ** -2)])
    for pair, wanted in zip(rebin_spectra([(loglam, flux, sigma**-2)], transmission=True), expected):
        for part, other in zip(pair, wanted):
            np.testing.assert_allclose(part, other, rtol=1e-6)
            assert np.isfinite(part).all()


def test_what_no_filter_passes_was_not_measured(monkeypatch):
    def short(wavelength):
        return np.where(wavelength < 6000, 0.5, 0.0)

    monkeypatch.setattr("hiss.cube.rebin.filter_transmission", short)
    for zoom, (values, sigma) in enumerate(
        rebin_spectra([(LOGLAM, np.ones(len(LOGLAM)), np.ones(len(LOGLAM)))], transmission=True)
    ):
        red = bin_edges(zoom)[1:] > 6001
        assert np.isnan(values[0][red]).all()
        assert np.isnan(sigma[0][red]).all()
        np.testing.assert_allclose(values[0][bin_edges(zoom)[1:] < 5999], 0.5, rtol=1e-6)


@given(
    arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=True, allow_infinity=True)),
    st.integers(1, 22),
)
@settings(max_examples=200, deadline=None)
def test_fewer_bits_are_the_nearest_number_of_so_many(array, bits):
    before = array.copy()
    rounded = round_mantissa(array, bits)
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(np.isfinite(rounded), np.isfinite(array))
    np.testing.assert_array_equal(rounded[~np.isfinite(array)], array[~np.isfinite(array)])
    normal = np.isfinite(array) & (np.abs(array) >= np.finfo(np.float32).tiny) & (np.abs(array) < 1e38)
    error = np.abs(rounded[normal].astype(float) - array[normal].astype(float))
    assert (error < np.abs(array[normal].astype(float)) * 2.0 ** -(bits + 1)).all()
    assert (rounded[normal].view(np.uint32) % (1 << (23 - bits)) == 0).all()
    np.testing.assert_array_equal(round_mantissa(rounded, bits)[normal], rounded[normal])


@pytest.mark.parametrize("bits", [1, 10, 22])
def test_a_nan_of_any_bits_stays_one(bits):
    array = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000, 0x7F800001], np.uint32).view(np.float32)  # the first: FITS
    assert np.isnan(round_mantissa(array, bits)).all()


def test_ties_go_to_even_and_no_bits_asked_for_changes_nothing():
    array = np.array([1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-11), 0.0], np.float32)
    assert round_mantissa(array, 10).tolist() == [1, 1 + 2**-9, -1, 0]
    assert round_mantissa(array, None) is array
    for wrong in (array.astype(np.float64), array):
        with pytest.raises(ValueError, match="cannot be kept: 1 to 22 of float32 can"):
            round_mantissa(wrong, 10 if wrong.dtype == np.float64 else 23)


@pytest.mark.parametrize(
    "storage",
    [
        {"chunks": (1, 300, 200)},
        {"chunks": (1, 128, 200), "compression": "gzip", "shuffle": True},
        {"chunks": (1, 40, 50), "compression": "lzf"},
        {"chunks": (2, 300, 200)},
        {},
    ],
    ids=["a frame a chunk", "compressed", "small chunks", "two frames a chunk", "contiguous"],
)
def test_cutouts_are_the_same_however_frames_are_stored(storage, tmp_path):
    flux, sigma = noisy((6, 300, 200))
    with h5py.File(tmp_path / "sparse.h5", "w") as file:
        for name, frames in (("data", flux), ("errors", sigma)):
            file.create_dataset(f"{images_group(0)}/{name}", data=frames, **storage)
    rng = np.random.default_rng(3)
    references = np.zeros(40, REFERENCE_DTYPE)
    references["ds_slice_idx"] = rng.integers(0, 6, 40)
    references["x_min"], references["y_min"] = rng.integers(0, 300 - 63, 40), rng.integers(0, 200 - 63, 40)
    with h5py.File(tmp_path / "sparse.h5") as file:
        read = Cutouts(file).read(references)
        assert [part.shape for part in Cutouts(file).read(references[:0])] == [(0, 64, 64)] * 2
    for part, frames in zip(read, (flux, sigma), strict=True):
        for cutout, (_, frame, x, _, y, _) in zip(part, references.tolist(), strict=True):
            np.testing.assert_array_equal(cutout, frames[frame, x : x + 64, y : y + 64])
