"""Index, links and targets: nothing that covers a position is missed, nothing else is found."""

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.bands import BANDS, CUTOUT_SIZE, FRAME_SHAPE
from hiss.cube.epochs import aligned, independent
from hiss.cube.holes import closed_holes
from hiss.cube.index import healpix_cell, image_index, spectrum_index
from hiss.cube.layout import IMAGE_TABLE_DTYPE, REFERENCE_DTYPE, WCS_DTYPE, check_band_order, cutout_size
from hiss.cube.linking import (
    NO_FRAME,
    NOT_WHOLE,
    WHOLE,
    Linker,
    frame_windows,
    redirected,
    reference_table,
    reject_reason,
    window_start,
)
from hiss.cube.neighbours import Neighbours
from hiss.cube.targets import FRIENDS_ARCSEC, find_targets, match_targets
from hiss.cube.wcs import handedness, north_angle, pixel_to_sky, sky_to_pixel, wcs_of
from hiss.errors import HissError
from hiss.sdss.spectrum import read_spectrum

NY, NX = FRAME_SHAPE
RADIUS = 8.4


def frame_wcs(ra, dec, angle):
    scale = 0.396 / 3600
    cards = {"NAXIS1": NX, "NAXIS2": NY, "CRPIX1": 1025.0, "CRPIX2": 745.0, "CRVAL1": ra, "CRVAL2": dec}
    cards |= {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
    cards |= {"CD1_1": -scale * np.cos(angle), "CD1_2": scale * np.sin(angle)}
    cards |= {"CD2_1": scale * np.sin(angle), "CD2_2": scale * np.cos(angle)}
    return wcs_of(cards, "frame")


def images(ra, dec, band=None, tai=None):
    """image_table of frames around these positions."""
    table = np.zeros(len(ra), IMAGE_TABLE_DTYPE)
    table["ra"], table["dec"], table["tai"] = ra, dec, np.arange(len(ra)) if tai is None else tai
    table["band"] = [BANDS[number].encode() for number in (np.zeros(len(ra), int) if band is None else band)]
    return table


def whole_by_brute_force(wcs, ra, dec):
    pairs = set()
    for frame, record in enumerate(wcs):
        for position, (column, row) in enumerate(zip(*sky_to_pixel(record, ra, dec), strict=True)):
            first = np.floor(column - CUTOUT_SIZE / 2 + 1), np.floor(row - CUTOUT_SIZE / 2 + 1)
            last = first[0] + CUTOUT_SIZE, first[1] + CUTOUT_SIZE
            if min(first) >= 0 and last[0] <= NX and last[1] <= NY:
                pairs.add((position, frame))
    return pairs


@given(seed=st.integers(0, 2**32 - 1), dec=st.floats(-86, 86), ra=st.floats(0, 360, exclude_max=True))
@settings(max_examples=25, deadline=None)
def test_every_frame_with_a_whole_cutout_is_linked_and_no_other(seed, dec, ra):
    rng = np.random.default_rng(seed)
    n = 12
    centers = np.stack(
        [(ra + rng.uniform(-0.2, 0.2, n) / np.cos(np.radians(dec))) % 360, dec + rng.uniform(-0.2, 0.2, n)]
    )
    wcs = np.array([frame_wcs(*center, rng.uniform(0, 7)) for center in centers.T], WCS_DTYPE)
    # Positions in the corners of frames, where a cutout is just whole or just not, and anywhere.
    corner = rng.integers(0, n, 40)
    column = np.where(rng.random(40) < 0.5, 31.5, NX - 32.5) + rng.uniform(-1.5, 1.5, 40)
    row = np.where(rng.random(40) < 0.5, 31.5, NY - 32.5) + rng.uniform(-1.5, 1.5, 40)
    positions = np.stack(pixel_to_sky(wcs[corner], column, row))
    links = Linker(images(*centers), wcs, RADIUS)(*positions)
    assert set(zip(links.position.tolist(), links.frame.tolist(), strict=True)) == whole_by_brute_force(wcs, *positions)
    assert (np.diff(links.position) >= 0).all()


def test_a_frame_is_found_from_anywhere_in_it():
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, 60), np.degrees(np.arcsin(rng.uniform(-1, 1, 60)))
    offset = rng.uniform(0, 2 * np.pi, 60) * u.rad
    for distance, found in ((8.39, True), (8.41, False)):
        there = SkyCoord(ra * u.deg, dec * u.deg).directional_offset_by(offset, distance * u.arcmin)
        position, frame = Neighbours(ra, dec).within(there.ra.deg, there.dec.deg, RADIUS / 60)
        pairs = set(zip(position.tolist(), frame.tolist(), strict=True))
        assert ({(number, number) for number in range(60)} <= pairs) == found


def test_neighbours_are_those_of_astropy():
    rng = np.random.default_rng(6)
    (ra, dec), (there_ra, there_dec) = rng.uniform(-1, 1, (2, 30)), rng.uniform(-1, 1, (2, 50))
    ra %= 360
    apart = SkyCoord(there_ra[:, None], there_dec[:, None], unit="deg").separation(SkyCoord(ra, dec, unit="deg"))
    position, number = Neighbours(ra, dec).within(there_ra, there_dec, 0.5)
    np.testing.assert_array_equal(np.stack([position, number]), np.nonzero(apart.deg <= 0.5))
    assert len(position) > 100
    assert [len(part) for part in Neighbours(ra[:0], dec[:0]).within(there_ra, there_dec, 0.5)] == [0, 0]
    assert [len(part) for part in Neighbours(ra, dec).within(ra[:0], dec[:0], 0.5)] == [0, 0]


def test_the_index_is_sorted_and_in_seconds():
    ra, dec = np.array([10.0, 10.0, 200.0]), np.array([1.0, 1.0, -5.0])
    time = np.array([4.515371e9 + 1 / 256, 4.515371e9, 5.0])
    images = image_index(ra, dec, time, np.array([3551.0, 6166.0, 8932.0]))
    assert images.dtype["time"] == np.float64
    assert np.all(np.diff(images["spatial"]) >= 0)
    same = images[images["spatial"] == healpix_cell(10.0, 1.0, 10)]
    assert same["ds_slice_idx"].tolist() == [1, 0]
    assert same["time"][1] > same["time"][0]
    spectra = spectrum_index(ra, dec, time)
    np.testing.assert_array_equal(spectra["spatial"], np.sort(healpix_cell(ra, dec, 15)))


def test_the_position_is_in_the_middle_of_its_window():
    pixel = np.array([100.0, 100.49, 100.5, 100.99, 101.0])
    start = window_start(pixel, 0, NX)
    assert start.tolist() == [69, 69, 69, 69, 70]
    assert np.all(np.abs(pixel - (start + 31.5)) <= 0.5)
    for zoom in (1, 2, 3):
        size = cutout_size(zoom)
        middle = (window_start(pixel, zoom, NX) + size / 2) * 2**zoom - 0.5
        assert np.all(np.abs(pixel - middle) <= 2 ** (zoom - 1))


def test_a_whole_native_cutout_is_whole_at_every_zoom():
    for length in (NX, NY):
        pixel = np.array([31.0, 31.9, length - 33.0, length - 32.01])
        native = window_start(pixel, 0, length)
        assert native.min() == 0
        assert native.max() + CUTOUT_SIZE == length
        for zoom in (1, 2, 3):
            start = window_start(pixel, zoom, length)
            assert start.min() >= 0
            assert start.max() + cutout_size(zoom) <= length >> zoom


def test_references_hold_every_band_in_order_and_are_padded():
    wcs = np.array([frame_wcs(10.0, 0.0, 0.3 * number) for number in range(4)], WCS_DTYPE)
    frames = images(np.full(4, 10.0), np.zeros(4), np.array([4, 0, 0, 2]), np.array([1.0, 9.0, 3.0, 2.0]))
    ra, dec = np.array([10.01, 50.0, 10.0]), np.array([0.01, 0.0, 0.0])
    links = Linker(frames, wcs, RADIUS)(ra, dec)
    table = reference_table(links, links.width, "/there", links.frame, frame_windows(links, wcs, 0), 64)
    assert table["ds_slice_idx"][0].tolist() == [2, 1, 3, 0]
    assert table["ds_path"].tolist() == [[b"/there"] * 4, [b""] * 4, [b"/there"] * 4]
    np.testing.assert_array_equal(table["x_max"] - table["x_min"], [[64] * 4, [0] * 4, [64] * 4])
    column, row = sky_to_pixel(wcs[2], ra[0], dec[0])
    assert table["x_min"][0, 0] == np.floor(row - 31)
    assert table["y_min"][0, 0] == np.floor(column - 31)
    assert links.coverage[1].tolist() == [NO_FRAME] * 5
    assert links.coverage[0].tolist() == [WHOLE, NO_FRAME, WHOLE, NO_FRAME, WHOLE]


def test_positions_are_linked_in_batches_as_if_at_once():
    rng = np.random.default_rng(2)
    centers = 10 + rng.uniform(-0.15, 0.15, (2, 9))
    wcs = np.array([frame_wcs(*center, 0.1) for center in centers.T], WCS_DTYPE)
    link = Linker(images(*centers, np.arange(9) % 5), wcs, RADIUS)
    ra, dec = 10 + rng.uniform(-0.25, 0.25, (2, 50))
    once = link(ra, dec)
    several = [link(ra[first : first + 7], dec[first : first + 7]) for first in range(0, 50, 7)]
    for name in ("frame", "column", "row", "coverage"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in several]), getattr(once, name))
    assert len(once.frame) > 20
    table, parts = (
        [reference_table(one, once.width, "/there", one.frame, frame_windows(one, wcs, 1), 32) for one in links]
        for links in ([once], several)
    )
    np.testing.assert_array_equal(np.concatenate(parts), table[0])
    nothing = link(np.empty(0), np.empty(0))
    assert (len(nothing.frame), nothing.width, nothing.coverage.shape) == (0, 0, (0, 5))


def test_references_to_a_table_have_no_windows():
    references = np.zeros((1, 2), REFERENCE_DTYPE)
    references[0, 0] = (b"/data", 3, 1, 65, 2, 66)
    assert redirected(references, "/errors", windows=True)[0].tolist()[0] == (b"/errors", 3, 1, 65, 2, 66)
    assert redirected(references, "/metadata", windows=False)[0].tolist()[0] == (b"/metadata", 3, 0, 0, 0, 0)
    assert redirected(references, "/metadata", windows=False)["ds_path"][0, 1] == b""


@pytest.mark.parametrize(
    ("coverage", "reason"),
    [
        ([WHOLE] * 5, None),
        ([NO_FRAME] * 5, "no frame covers it"),
        ([NOT_WHOLE] * 5, "cutout not whole"),
        ([WHOLE, NOT_WHOLE, WHOLE, WHOLE, NOT_WHOLE], "cutout not whole in g z"),
        ([NO_FRAME, WHOLE, WHOLE, WHOLE, NO_FRAME], "no frame covers it in u z"),
        ([NO_FRAME, NOT_WHOLE, WHOLE, WHOLE, WHOLE], "cutout not whole in g; no frame covers it in u"),
    ],
)
def test_the_reason_says_which_bands(coverage, reason):
    assert reject_reason(np.array(coverage)) == reason


@pytest.fixture(scope="module")
def real_spectra(sdss_files):
    spectra = [read_spectrum(path) for path in sorted((sdss_files / "spectra").glob("spec-*.fits"))]
    names = ("plate", "mjd", "fiber", "ra", "dec", "objid", "fiber_arcsec", "sn_median")
    table = pd.DataFrame([{name: getattr(one, name) for name in names} for one in spectra])
    labels = pd.read_csv(sdss_files / "labels" / "spectra_with_labels.csv").set_index(["PLATEID", "MJD", "FIBERID"])
    keys = list(zip(table["plate"], table["mjd"], table["fiber"]))
    return table.assign(avg=[labels["tot_AVG"].get(key, np.nan) for key in keys], flag=0.0)


@pytest.mark.parametrize("ids", [True, False])
def test_plates_411_and_412_are_two_objects(real_spectra, ids):
    table = real_spectra if ids else real_spectra.assign(objid=0)
    target = pd.Series(match_targets(table, 1.5), index=table["plate"])
    assert target[411].nunique() == target[412].nunique() == 1
    assert target[411].iloc[0] != target[412].iloc[0]
    assert len(target[411]) == 3
    assert len(target[412]) == 8
    assert target[[3126, 3127, 7330]].nunique() == 1
    assert target.nunique() == 6


def test_the_label_is_the_best_labelled_spectrum_and_its_fibre_is_stacked(real_spectra):
    targets = find_targets(real_spectra, 1.5)
    plate = real_spectra["plate"].to_numpy()
    star = np.flatnonzero(plate[targets.label] == 3126)
    assert plate[targets.spectrum[targets.target == star]].tolist() == [3126, 3127, 7330]
    assert targets.stacked[targets.target == star].tolist() == [True, True, False]
    assert find_targets(real_spectra, 1.5, mix_fibers=True).stacked.all()
    for number, label in enumerate(targets.label):
        group = real_spectra.loc[targets.spectrum[targets.target == number]]
        labelled = group[group["avg"].notna()]
        assert label == (labelled if len(labelled) else group)["sn_median"].idxmax()
    galaxy = np.flatnonzero(plate[targets.label] == 412)
    assert real_spectra.loc[targets.spectrum[targets.target == galaxy], "avg"].notna().sum() == 5


def test_a_placeholder_is_no_label_and_spectra_without_id_are_apart():
    table = pd.DataFrame(
        {
            "ra": [10.0, 10.0 + 1.4 / 3600, 10.0 + 2.8 / 3600, 10.0 + 5 / 3600, 359.9999, 0.0001],
            "dec": 0.0,
            "objid": 0,
            "fiber_arcsec": 3.0,
            "sn_median": [5.0, 9.0, 7.0, 1.0, 1.0, np.nan],
            "avg": [0.3, -99.0, np.nan, np.nan, np.nan, np.nan],
            "flag": [0.0, 0.0, np.nan, np.nan, np.nan, np.nan],
        }
    )
    targets = find_targets(table, 1.5)
    assert targets.spectrum.tolist() == [0, 1, 2, 3, 4, 5]
    assert targets.target.tolist() == [0, 0, 0, 1, 2, 2]
    assert targets.label.tolist() == [0, 3, 4]
    same = match_targets(table.assign(objid=[7, 0, 0, 7, 0, 0]), 1.5)
    assert same.tolist() == [0, 0, 0, 0, 1, 1]
    assert len(find_targets(table[:0], 1.5)) == 0


def test_an_id_at_places_far_apart_is_an_object_at_each_of_them():
    """One such id must not stop a survey in shards, which sees only one of the places at a time."""
    near, far = 0.9 * FRIENDS_ARCSEC / 3600, 1.1 * FRIENDS_ARCSEC / 3600
    ra = [10.0, 10.0 + near, 10.0 + 2 * near, 10.0 + 2 * near + far, 200.0, 10.0 + near]
    table = pd.DataFrame({"ra": ra, "dec": [0.0, 0.0, 0.0, 0.0, -40.0, 0.001], "objid": [7, 7, 7, 7, 7, 8]})
    assert match_targets(table, 1.5).tolist() == [0, 0, 0, 1, 2, 3]
    assert match_targets(table, 50.0).tolist() == [0, 0, 0, 0, 1, 0]


def test_a_label_without_flags_comes_before_one_of_higher_signal():
    table = pd.DataFrame({"ra": 10.0, "dec": 0.0, "objid": 7, "fiber_arcsec": 3.0, "sn_median": [5.0, 6.0, 9.0, 20.0]})
    for avg, flag, label in (
        ([0.3, 0.2, 0.1, np.nan], [0, 0, 4, 0], 1),
        ([0.3, 0.2, 0.1, np.nan], [8, 4, 4, 0], 2),
        ([-99, np.nan, -99, np.nan], [0, np.nan, 0, np.nan], 3),
    ):
        assert find_targets(table.assign(avg=avg, flag=flag), 1.5).label.tolist() == [label]


def test_a_wrong_band_order_stops(tmp_path):
    with h5py.File(tmp_path / "dense.h5", "w") as file:
        good, bad = file.create_dataset("good", data=[1]), file.create_dataset("bad", data=[1])
        good.attrs["bands"] = list(BANDS)
        bad.attrs["bands"] = list("urgiz")
        check_band_order(good)
        with pytest.raises(HissError, match="u r g i z where u g r i z is due"):
            check_band_order(bad)


def test_holes_are_closed_from_the_end():
    assert closed_holes(6, {1, 4}) == [(5, 1)]
    assert closed_holes(5, {3, 4}) == []
    assert closed_holes(7, {0, 1, 5}) == [(6, 0), (4, 1)]
    assert closed_holes(3, {0, 1, 2}) == []


def test_the_rows_two_fields_share_are_one_measurement():
    exposure = np.array([7, 7, 8, 9])  # frames 0 and 1: neighbouring fields of one run and band
    target, frame = np.array([0, 0, 0, 0, 1, 1]), np.array([3, 1, 0, 2, 0, 1])
    assert independent(target, exposure[frame]).tolist() == [True, True, False, True, True, False]


@pytest.mark.parametrize("dec", [-75.0, 0.0, 60.0])
def test_north_turns_with_the_frame_and_not_with_its_place(dec):
    ra = 10 + np.array([0.0, 0.1, 0.0]) / np.cos(np.radians(dec))
    meridian = (ra[1] - ra[0]) * np.sin(np.radians(dec))  # what the second frame's own north is turned by
    angle = np.radians([30.0, 30.0 + meridian, 31.0])
    wcs = np.array([frame_wcs(*frame) for frame in zip(ra, np.full(3, dec), angle)], WCS_DTYPE)
    north = north_angle(wcs, ra[0] + 0.01, dec + 0.01)
    assert abs(north[0]) == pytest.approx(30, abs=0.05)
    assert abs(north[1] - north[0]) < 0.01
    assert abs(north[2] - north[0]) == pytest.approx(1, abs=0.01)


def test_a_mirrored_frame_is_of_the_other_hand_whichever_axis_is_dec():
    wcs = np.array([frame_wcs(10.0, 0.0, angle) for angle in (0.0, 1.0, 3.0, 5.0)], WCS_DTYPE)
    assert handedness(wcs).tolist() == [1] * 4
    mirrored = wcs.copy()
    for axis in ("CD1_1", "CD2_1"):
        mirrored[axis] *= -1
    assert handedness(mirrored).tolist() == [-1] * 4
    swapped = wcs.copy()
    for first, second in (("CTYPE1", "CTYPE2"), ("CRVAL1", "CRVAL2"), ("CD1_1", "CD2_1"), ("CD1_2", "CD2_2")):
        swapped[first], swapped[second] = wcs[second], wcs[first]
    assert handedness(swapped).tolist() == [1] * 4


BAND = np.array([0, 0, 2, 2, 2, 3, 3, 4, 4])
NORTH = np.array([92.0, 180.3, -179.9, 92.0, 179.7, 91.0, 91.2, 92.0, 179.8])
ONE = np.zeros(9, np.int64)


def test_epochs_turned_from_the_first_in_r_are_left_out():
    alike = np.zeros(9, bool)
    assert np.flatnonzero(aligned(ONE, BAND, NORTH, alike)).tolist() == [1, 2, 4, 5, 6, 8]
    assert aligned(ONE[:2], BAND[:2], NORTH[:2], alike[:2]).tolist() == [True, False]  # no r: as the band's first
    both = [np.concatenate([part, part]) for part in (BAND, NORTH, alike)]
    targets = np.repeat([3, 5], 9)
    assert np.flatnonzero(aligned(targets, *both)).tolist() == [1, 2, 4, 5, 6, 8, 10, 11, 13, 14, 15, 17]


def test_mirrored_epochs_are_left_out_though_north_agrees():
    mirrored = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0], bool)
    north = np.full(9, 180.0)
    # In i both are mirrored: they are like their own first.
    assert np.flatnonzero(aligned(ONE, BAND, north, mirrored)).tolist() == [0, 1, 2, 3, 5, 6, 8]
