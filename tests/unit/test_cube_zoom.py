"""Zooms: block means of native pixels, the WCS that goes with them, and spectra on coarser bins."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.cube.layout import WCS_DTYPE
from hiss.cube.overlap import edges_of, overlap_matrix
from hiss.cube.photometry import flux_per_nanomaggy, image_sigma, interpolate_sky
from hiss.cube.rebin import bin_centers, bin_edges, pixel_edges, rebin_spectra
from hiss.cube.wcs import frame_center, pixel_to_sky, sky_to_pixel, wcs_of
from hiss.cube.zoom import zoom_images, zoom_wcs
from hiss.errors import BadInput

STAR = (38.301802, -0.13391571)


def header(**changes):
    cards = {
        "NAXIS1": 2048, "NAXIS2": 1489, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1025.0,
        "CRPIX2": 745.0, "CRVAL1": 38.33, "CRVAL2": -0.107, "CD1_1": 3e-8, "CD1_2": 1.1e-4, "CD2_1": 1.1e-4,
        "CD2_2": -5e-9,
    }  # fmt: skip
    return {**cards, **changes}


@pytest.mark.parametrize("shape", [(16, 24), (13, 21), (3, 2, 17, 8)])
def test_zooms_are_means_of_native_pixels(shape):
    rng = np.random.default_rng(1)
    flux = rng.normal(10, 1, shape).astype(np.float32)
    sigma = rng.uniform(1, 2, shape).astype(np.float32)
    for zoom, (coarse, error) in enumerate(zoom_images(flux, sigma)):
        side = 2**zoom
        rows, columns = shape[-2] >> zoom, shape[-1] >> zoom
        blocks = (*shape[:-2], rows, side, columns, side)
        native, variance = (
            array[..., : rows * side, : columns * side].reshape(blocks).astype(float) for array in (flux, sigma**2)
        )
        np.testing.assert_allclose(coarse, native.mean(axis=(-3, -1)), rtol=1e-5)
        np.testing.assert_allclose(error, np.sqrt(variance.sum(axis=(-3, -1))) / side**2, rtol=1e-5)
        assert coarse.dtype == error.dtype == np.float32


def test_one_missing_pixel_leaves_its_block_missing_at_every_zoom():
    flux = np.ones((16, 16), np.float32)
    flux[5, 9] = np.nan
    for zoom, (coarse, error) in enumerate(zoom_images(flux, np.where(np.isnan(flux), np.nan, 1.0))):
        expected = np.zeros(coarse.shape, bool)
        expected[5 >> zoom, 9 >> zoom] = True
        np.testing.assert_array_equal(np.isnan(coarse), expected)
        np.testing.assert_array_equal(np.isnan(error), expected)


@pytest.fixture(scope="module")
def real_wcs(sdss_files):
    """WCS of all six real frames, and astropy's of the same headers."""
    from hiss.sdss.frame import read_frame

    paths = sorted((sdss_files / "images").rglob("frame-u-*.bz2"))
    headers = [read_frame(path).header for path in paths]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [WCS(fits.Header(one)) for one in headers]
    return np.array([wcs_of(one, "frame") for one in headers], WCS_DTYPE), theirs


def test_pixels_are_astropy_s(real_wcs):
    ours, theirs = real_wcs
    for record, reference in zip(ours, theirs, strict=True):
        column, row = sky_to_pixel(record, *STAR)
        np.testing.assert_allclose([column, row], reference.all_world2pix(*STAR, 0), atol=1e-6)


def test_a_star_is_at_one_place_of_the_sky_at_every_zoom(real_wcs):
    ours, _ = real_wcs
    native = np.array(sky_to_pixel(ours, *STAR))
    for zoom in range(4):
        coarse = np.array(sky_to_pixel(zoom_wcs(ours, zoom), *STAR))
        np.testing.assert_allclose((coarse + 0.5) * 2**zoom - 0.5, native, atol=1e-9)
        sky = pixel_to_sky(zoom_wcs(ours, zoom), *coarse)
        np.testing.assert_allclose(sky, np.broadcast_to(np.array(STAR)[:, None], (2, 2)), atol=1e-10)


@given(
    ra=st.floats(0, 360, exclude_max=True),
    dec=st.floats(-88, 88),
    angle=st.floats(0, 2 * np.pi),
    flip=st.booleans(),
    swap=st.booleans(),
    column=st.floats(-100, 2200),
    row=st.floats(-100, 1600),
)
@settings(max_examples=60, deadline=None)
def test_any_frame_projects_as_astropy_does(ra, dec, angle, flip, swap, column, row):
    scale = 1.1e-4
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    sign = -1 if flip else 1
    cards = header(CRVAL1=ra, CRVAL2=dec, CD1_1=sign * cosine, CD1_2=sine, CD2_1=-sign * sine, CD2_2=cosine)
    if swap:
        cards = {
            **cards,
            **{f"CD{axis}_{pixel}": cards[f"CD{3 - axis}_{pixel}"] for axis in (1, 2) for pixel in (1, 2)},
            "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": dec, "CRVAL2": ra,
        }  # fmt: skip
    record = wcs_of(cards, "frame")
    there = np.array(pixel_to_sky(record, np.float64(column), np.float64(row)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = WCS(fits.Header(cards)).all_pix2world(column, row, 0)
    expected = np.array(expected[::-1] if swap else expected)
    turn = (there[0] - expected[0] + 180) % 360 - 180
    assert abs(turn * np.cos(np.radians(dec))) < 1e-8
    assert abs(there[1] - expected[1]) < 1e-8
    np.testing.assert_allclose(sky_to_pixel(record, *there), [column, row], atol=1e-5)


def test_the_other_side_of_the_sky_is_on_no_frame():
    assert np.isnan(sky_to_pixel(wcs_of(header(), "frame"), np.array([218.3]), np.array([0.1]))).all()


def test_the_centre_is_crval_where_crpix_is_there_and_projected_elsewhere():
    assert frame_center(wcs_of(header(), "frame")) == pytest.approx((38.33, -0.107), abs=1e-9)
    moved = wcs_of(header(CRPIX1=1.0, CRPIX2=1.0), "frame")
    assert frame_center(moved) == pytest.approx((38.33 + 744 * 1.1e-4, -0.107 + 1023.5 * 1.1e-4), abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"CTYPE1": "GLON-TAN"}, "TAN projection"), ({"CD1_2": 0.0, "CD1_1": 0.0}, "singular"), ({"CRVAL1": None}, "WCS")],
)
def test_a_wcs_that_cannot_be_used_is_a_bad_file(changes, words):
    with pytest.raises(BadInput, match=words):
        wcs_of(header(**changes), "frame-r-000001-1-0001.fits")


def test_a_missing_key_is_named():
    cards = header()
    del cards["CD1_2"]
    with pytest.raises(BadInput, match="CD1_2"):
        wcs_of(cards, "frame-r-000001-1-0001.fits")


def test_the_unit_is_flux_density_in_a_fibre():
    # 1 nanomaggy in r over 6166 A, in the pixels of a 3 arcsec aperture.
    expected = 3.631e-29 * 2.99792458e18 / 6166**2 * 1e17 * np.pi * 1.5**2 / 0.396**2
    assert flux_per_nanomaggy("r", 3.0) == pytest.approx(expected, rel=1e-12)
    assert flux_per_nanomaggy("r", 2.0) == pytest.approx(expected * 4 / 9, rel=1e-12)


def test_the_sky_is_bilinear_and_flat_beyond_its_edge():
    y, x = np.mgrid[:192, :256]
    plane = (3 + 2 * x - y).astype(np.float32)
    positions = np.array([-0.4, 0.25, 100.5, 254.9]), np.array([0.5, 190.75, 195.0])
    sky = interpolate_sky(plane, *positions)
    column, row = np.clip(positions[0], 0, 255), np.clip(positions[1], 0, 191)
    np.testing.assert_allclose(sky, 3 + 2 * column[None, :] - row[:, None], rtol=1e-5)


def test_sigma_of_negative_counts_is_that_of_the_dark():
    sigma = image_sigma(np.full((1, 2), -9.0, np.float32), np.full(2, 0.1, np.float32), np.full((1, 2), 5.0), 4.0, 2.25)
    np.testing.assert_allclose(sigma, 0.15, rtol=1e-6)


@given(start=st.floats(3500, 5000), step=st.floats(0.3, 4), n=st.integers(50, 400))
@settings(max_examples=30, deadline=None)
def test_rebinning_keeps_the_integral_over_whole_bins(start, step, n):
    source = start + step * np.arange(n + 1)
    target = np.linspace(source[0] + 0.7 * step, source[-1] - 0.4 * step, 37)
    flux = 2 + np.sin(np.arange(n))
    binned = overlap_matrix(source, target) @ flux
    cumulative = np.concatenate([[0], np.cumsum(flux * step)])
    expected = np.interp(target[-1], source, cumulative) - np.interp(target[0], source, cumulative)
    assert (binned * np.diff(target)).sum() == pytest.approx(expected, rel=1e-9)


def test_samples_are_those_of_the_public_cube():
    for zoom, n in enumerate((4620, 2310, 1155, 577)):
        centers = bin_centers(zoom)
        assert (len(centers), centers[0], centers[-1]) == (n, 3839.7244, 8914.597)
        np.testing.assert_allclose((bin_edges(zoom)[1:] + bin_edges(zoom)[:-1]) / 2, centers, rtol=1e-12)


def test_every_zoom_has_the_same_integral_over_the_common_range():
    loglam = np.arange(35700, 39700) / 1e4
    flux = 5 + np.sin(10**loglam / 200)
    sums = []
    for zoom, (values, _) in enumerate(rebin_spectra([(loglam, flux, np.ones_like(flux))])):
        edges = bin_edges(zoom)
        cumulative = np.concatenate([[0], np.cumsum(values[0].astype(float) * np.diff(edges))])
        sums.append(np.diff(np.interp([3845.0, 8905.0], edges, cumulative))[0])
    np.testing.assert_allclose(sums, sums[0], rtol=1e-4)


def test_a_masked_pixel_leaves_every_bin_it_touches_missing():
    loglam = np.arange(35800, 39600) / 1e4
    ivar = np.ones(len(loglam))
    masked = 1500
    ivar[masked] = 0
    low, high = pixel_edges(loglam)[masked : masked + 2]
    for zoom, (values, sigma) in enumerate(rebin_spectra([(loglam, np.ones_like(ivar), ivar)])):
        edges = bin_edges(zoom)
        touched = (edges[1:] > low) & (edges[:-1] < high)
        np.testing.assert_array_equal(np.isnan(values[0]), touched)
        np.testing.assert_array_equal(np.isnan(sigma[0]), touched)
        np.testing.assert_allclose(values[0][~touched], 1, rtol=1e-6)


def test_bins_beyond_the_spectrum_are_missing():
    loglam = np.arange(36000, 39000) / 1e4
    (values, _), *_ = rebin_spectra([(loglam, np.ones(3000), np.ones(3000))])
    edges, ends = bin_edges(0), pixel_edges(loglam)[[0, -1]]
    inside = (edges[:-1] >= ends[0]) & (edges[1:] <= ends[1])
    np.testing.assert_array_equal(np.isfinite(values[0]), inside)


def test_a_grid_of_its_own_gives_what_the_common_grid_gives():
    common = np.arange(35800, 39600) / 1e4
    shifted = common + 0.4e-4  # not a whole number of steps
    both = [(grid, 3 + 10**grid / 5000, np.full(len(grid), 4.0)) for grid in (common, shifted)]
    for values, sigma in rebin_spectra(both):
        np.testing.assert_allclose(values[0], values[1], rtol=1e-3)
        assert np.isfinite(values).all()
        assert not np.array_equal(values[0], values[1])
        assert np.isfinite(sigma).all()


def test_edges_lie_midway():
    np.testing.assert_allclose(edges_of(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])
