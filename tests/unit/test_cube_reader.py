"""The readers of a cube: what they give is what the files hold, they read no more, and they say what is wrong."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

import hiss.cube
from hiss.bands import BANDS, FLUX_UNIT
from hiss.cube.cones import separation
from hiss.cube.hdf5 import to_table
from hiss.cube.index import spectrum_index
from hiss.cube.layout import (
    IMAGE_TABLE,
    SPARSE,
    SPECTRUM_TABLE,
    SPECTRUM_TABLE_DTYPE,
    TARGET_SPECTRA,
    TARGETS,
    ZOOMS,
    images_group,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
    spectra_group,
)
from hiss.cube.order import fine_cells
from hiss.cube.wcs import sky_to_pixel
from hiss.errors import HissError
from hiss.imports import modules_of
from hiss.sdss.header import read_cards

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
GALAXY = {"plate": 703, "mjd": 52209, "fiber": 193}
LABEL = ("plate", "mjd", "fiber")


@pytest.fixture(scope="module", params=["full", "targets"])
def folder(small_cube, request):
    return small_cube(request.param)


@pytest.fixture(scope="module")
def cube(folder):
    with hiss.cube.open(folder / "hiss_cube.h5") as cube:
        yield cube


@pytest.fixture(scope="module")
def full(small_cube):
    with hiss.cube.open(small_cube("full") / "hiss_cube.h5") as cube:
        yield cube


@pytest.fixture(scope="module")
def dense(folder):
    with h5py.File(folder / "dense.h5") as file:
        yield file


@pytest.fixture(scope="module")
def sparse(folder):
    with h5py.File(folder / "sparse.h5") as file:
        yield file


def bytes_read() -> int:
    """Bytes that this process has asked the system for."""
    return int(Path("/proc/self/io").read_text().split()[1])


# ---- targets ----


def test_the_table_of_targets_is_that_of_the_dense_cube(cube, dense):
    expected = to_table(dense[TARGETS][:])
    assert len(cube.targets) == len(expected) > 10
    for name in expected:
        assert list(map(str, cube.targets.table[name])) == list(map(str, expected[name])), name
    assert [target.row for target in cube.targets] == expected["target_id"].tolist()
    assert cube.target(3).info["objid"] == expected["objid"][3]
    np.testing.assert_allclose(cube.targets.position.ra.deg, expected["ra"])


@pytest.mark.parametrize("zoom", ZOOMS)
def test_cutouts_and_spectra_are_rows_of_the_dense_arrays_with_their_sigma(cube, dense, zoom):
    rows = np.random.default_rng(zoom).permutation(len(cube.targets))[:7]
    images, spectra = cube.targets[rows].cutouts(zoom), cube.targets[rows].spectra(zoom)
    assert images.flux.shape == (7, 5, 64 >> zoom, 64 >> zoom)
    assert images.unit == images.sigma.unit == spectra.unit == spectra.sigma.unit == u.Unit(FLUX_UNIT)
    assert images.flux.dtype == spectra.sigma.dtype == np.float32
    assert images.bands == BANDS
    assert images.pixel_scale == 0.396 * 2**zoom * u.arcsec
    assert images.target_id.tolist() == spectra.row.tolist() == rows.tolist()
    for found, name in (
        (images.flux, ml_image_data(zoom)),
        (images.sigma, f"{ml_image_group(zoom)}/errors"),
        (spectra.flux, ml_spectrum_data(zoom)),
        (spectra.sigma, f"{ml_spectrum_group(zoom)}/errors"),
    ):
        np.testing.assert_array_equal(found.value, dense[name][:][rows])
    np.testing.assert_array_equal(spectra.wavelength.to_value("Angstrom"), dense[f"{ml_spectrum_group(zoom)}/wl"][:])
    one = cube.target(int(rows[0]))
    np.testing.assert_array_equal(one.cutout(zoom).flux, images.flux[0])
    np.testing.assert_array_equal(one.spectrum(zoom).sigma, spectra.sigma[0])


def test_choices_by_id(cube, dense):
    table = to_table(dense[TARGETS][:])
    galaxy = cube.target(**GALAXY)
    assert (galaxy.info["plate"], galaxy.info["mjd"], galaxy.info["fiber"]) == tuple(GALAXY.values())
    assert cube.target(objid=galaxy.info["objid"]).row == galaxy.row
    assert cube.targets.select(target_id=[5, 2]).rows.tolist() == [2, 5]
    assert len(cube.targets.select(**{"class": "QSO"})) == (table["class"] == "QSO").sum() == 2
    assert len(cube.targets.select(**{"class": ["QSO", "STAR"]})) == 4
    assert cube.targets[cube.targets.column("has_sfr")].table["avg"].notna().all()
    assert [target.row for target in cube.targets[2:4]] == [2, 3]
    assert cube.targets[-1].row == len(table) - 1


def test_a_target_is_found_by_any_of_its_spectra(cube, dense):
    spectra = to_table(dense[TARGET_SPECTRA][:])
    assert len(spectra) > len(cube.targets)
    for spectrum in spectra.itertuples():
        found = cube.target(plate=spectrum.plate, mjd=spectrum.mjd, fiber=spectrum.fiber)
        assert found.row == spectrum.target_id
        assert spectrum.spectrum in found.observations.rows


def test_choices_one_after_the_other(cube, dense):
    table = to_table(dense[TARGETS][:])
    middle = SkyCoord(36.44 * u.deg, -0.2 * u.deg)
    near = middle.separation(SkyCoord(table["ra"], table["dec"], unit="deg")) <= 3 * u.arcmin
    expected = table.index[near & (table["z"] >= 0.05) & (table["z"] <= 0.08)].tolist()
    assert 0 < len(expected) < near.sum()
    for chosen in (
        cube.targets.cone(middle, 3 * u.arcmin).redshift(0.05, 0.08),
        cube.targets.redshift(0.05, 0.08).cone((36.44, -0.2), 0.05),
        cube.targets.cone((36.44 * u.deg, -12 * u.arcmin), "180 arcsec").redshift(0.05, 0.08),
    ):
        assert chosen.rows.tolist() == expected
        assert chosen.cutouts(3).flux.shape == (len(expected), 5, 8, 8)
    nobody = cube.targets.redshift(8, 9)
    assert len(nobody) == len(nobody.table) == 0
    assert nobody.cutouts(2).flux.shape == (0, 5, 16, 16)
    assert nobody.spectra(2).sigma.shape == (0, 1155)


# ---- epochs, spectra, frames ----


@pytest.mark.parametrize("band", BANDS)
def test_the_epochs_of_a_target_stack_to_its_cutout(cube, folder, band):
    target = cube.target(**GALAXY)
    with h5py.File(folder / "sparse.h5") as file:
        table = to_table(file[IMAGE_TABLE][:])
    for zoom in ZOOMS:
        epochs = target.epochs(band, zoom)
        assert len(epochs) == target.info["n_epochs"][BANDS.index(band)] == 2
        assert epochs.path.tolist() == table["path"][epochs.frame].tolist()
        assert all(f"frame-{band}-" in path for path in epochs.path)
        assert (np.diff(epochs.time.mjd) > 0).all()
        assert epochs.time[0].isot.startswith("2003-10-")
        assert epochs.stacked.all()
        assert epochs.flux.unit == epochs.sigma.unit == u.Unit(FLUX_UNIT)
        weight = table["background_sigma"][epochs.frame].to_numpy()[:, None, None] ** -2.0
        flux = (weight * epochs.flux.value).sum(axis=0) / weight.sum()
        sigma = np.sqrt((weight**2 * epochs.sigma.value**2).sum(axis=0)) / weight.sum()
        stack, place = target.cutout(zoom), BANDS.index(band)
        np.testing.assert_allclose(flux, stack.flux[place].value, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(sigma, stack.sigma[place].value, rtol=1e-4)


def test_epochs_left_out_of_the_stack_can_be_asked_for(full, tmp_path, small_cube):
    target = full.target(**GALAXY)
    assert len(target.epochs("r", left_out=True)) == len(target.epochs("r")) == 2
    for name in ("sparse", "links", "dense", "hiss_cube"):
        shutil.copy(small_cube("full") / f"{name}.h5", tmp_path)
    with h5py.File(tmp_path / "dense.h5", "r+") as file:
        for name in ("image_cutout_refs", "image_metadata_refs"):
            references = file[f"{ml_image_group(0)}/{name}"]
            row = references[target.row]
            row[BANDS.index("r"), 1] = np.zeros((), row.dtype)
            references[target.row] = row
    with hiss.cube.open(tmp_path / "hiss_cube.h5") as cube:
        fewer = cube.target(**GALAXY)
        assert len(fewer.epochs("r")) == 1
        every = fewer.epochs("r", zoom=1, left_out=True)
        assert every.stacked.tolist() == [True, False]
        np.testing.assert_array_equal(every.flux, target.epochs("r", zoom=1).flux)


@pytest.mark.parametrize("zoom", ZOOMS)
def test_single_spectra_are_rows_of_the_sparse_arrays(cube, sparse, zoom):
    table = to_table(sparse[SPECTRUM_TABLE][:])
    row = table.index[(table["plate"] == 4238)][0]
    one = cube.spectrum(*(int(table[name][row]) for name in LABEL))
    assert one.row == row
    assert one.header["PLATEID"] == 4238
    assert one.info["fiber_arcsec"] == 2.0
    assert one.time.mjd == pytest.approx(table["tai"][row] / 86400)
    rows = np.array([row, 0, 5, 0])
    many = cube.spectra[rows].read(zoom)
    group = sparse[spectra_group(zoom)]
    np.testing.assert_array_equal(many.flux.value, group["data"][:][rows])
    np.testing.assert_array_equal(many.sigma.value, group["errors"][:][rows])
    np.testing.assert_array_equal(one.read(zoom).flux, many.flux[0])
    np.testing.assert_array_equal(many.wavelength.value, group["wl"][:])


@pytest.mark.parametrize("zoom", ZOOMS)
def test_a_frame_has_its_wcs_at_every_zoom(cube, sparse, zoom):
    frame = cube.frame(5823, 3, 88, "r", zoom)
    record = sparse[f"{images_group(zoom)}/wcs"][frame.row]
    column, row = sky_to_pixel(record, 36.43, -0.22)
    assert frame.wcs.world_to_pixel_values(36.43, -0.22) == pytest.approx((column, row), abs=1e-6)
    assert frame.wcs.array_shape == frame.shape == (1489 >> zoom, 2048 >> zoom)
    assert frame.header["RUN"] == 5823
    assert frame.time.isot.startswith("2005-11-")
    if f"{images_group(zoom)}/data" in sparse:
        flux, sigma = frame.read(slice(10, 14), slice(100, 107))
        assert flux.unit == u.Unit(FLUX_UNIT)
        np.testing.assert_array_equal(flux.value, sparse[f"{images_group(zoom)}/data"][frame.row, 10:14, 100:107])
        np.testing.assert_array_equal(sigma.value, sparse[f"{images_group(zoom)}/errors"][frame.row, 10:14, 100:107])
        assert frame.read()[1].shape == frame.shape
    else:
        with pytest.raises(HissError, match=r"holds no whole frames .*cube.mode: full"):
            frame.read()


def test_frames_that_cover_a_position(cube):
    target = cube.target(**GALAXY)
    covering = cube.frames.covering(target.position)
    assert sorted(covering.table["band"]) == sorted(2 * BANDS)
    assert len(cube.frames.select(band="g", run=4203)) == 1
    assert len(cube.frames.covering((36.44, 0.5))) == 0
    for frame in covering:
        x, y = frame.wcs.world_to_pixel(target.position)
        assert -0.5 <= x <= 2047.5
        assert -0.5 <= y <= 1488.5


def test_the_brightest_pixel_of_a_star_is_where_its_wcs_says(full):
    star = full.targets.select(**{"class": "STAR"})[0]
    for zoom in ZOOMS:
        frame = full.frame(4203, 3, 121, "r", zoom)
        x, y = (float(value) for value in frame.wcs.world_to_pixel(star.position))
        assert (x, y) == pytest.approx(star_at(frame, x, y), abs=0.3)


def test_the_real_star_and_the_real_galaxies(real_cube):
    with hiss.cube.open(real_cube / "hiss_cube.h5") as cube:
        assert (len(cube.targets), len(cube.spectra), len(cube.frames)) == (1, 17, 6)
        star = cube.targets.cone((38.3018, -0.1339), 1 * u.arcsec)[0]
        assert {spectrum.info["plate"] for spectrum in star.observations} == {3126, 3127, 7330}
        assert cube.target(plate=7330, mjd=56684, fiber=434).row == star.row
        epochs = star.epochs("u", zoom=1)
        assert [Path(path).name for path in epochs.path] == [
            "frame-u-002820-3-0122.fits.bz2",
            "frame-u-004948-3-0199.fits.bz2",
        ]
        days = [read_cards(real_cube.parent / "raw" / path, ["DATE-OBS"])["DATE-OBS"] for path in epochs.path]
        assert [time[:10] for time in epochs.time.isot] == days
        assert epochs.flux.shape == (2, 32, 32)
        single = cube.spectrum(3126, 54804, 211)
        assert single.header["PLATEID"] == 3126
        assert single.time.mjd == pytest.approx(54804, abs=1)
        galaxy = cube.spectra.select(plate=412)
        assert len(galaxy) == 8
        assert galaxy.position.separation(galaxy[0].position).max() < 1.5 * u.arcsec
        for zoom in ZOOMS:
            frame = cube.frame(2820, 3, 122, "r", zoom)
            x, y = (float(value) for value in frame.wcs.world_to_pixel(star.position))
            assert (x, y) == pytest.approx(star_at(frame, x, y), abs=0.5)


def star_at(frame, x, y):
    """Centre of light around a pixel."""
    rows, columns = (slice(max(round(value) - 8, 0), round(value) + 9) for value in (y, x))
    flux = np.clip(frame.read(rows, columns)[0].value, 0, None) ** 2
    middle = (flux.sum(axis=place) @ np.arange(side.start, side.stop) for place, side in ((0, columns), (1, rows)))
    return tuple(value / flux.sum() for value in middle)


# ---- laziness ----


def test_nothing_but_what_is_asked_for_is_read(small_cube):
    path = small_cube("full") / "hiss_cube.h5"
    held = sum(file.stat().st_size for file in path.parent.glob("*.h5"))
    assert held > 300e6
    for most, ask in (
        (300_000, lambda cube: len(cube.targets)),
        (300_000, lambda cube: cube.target(**GALAXY)),
        (300_000 + 2 * 81920, lambda cube: cube.targets[4].cutout()),
        (300_000, lambda cube: cube.targets.cone((36.4, -0.2), 0.1).cutouts(3)),
        (300_000, lambda cube: cube.targets[::5].spectra(2)),
        (600_000, lambda cube: cube.target(**GALAXY).epochs("r")),
        (300_000, lambda cube: cube.frame(5823, 3, 88, "r").read(slice(700, 720), slice(700, 720))),
    ):
        before = bytes_read()
        with hiss.cube.open(path) as cube:
            ask(cube)
        assert bytes_read() - before < most


def test_a_whole_spectrum_table_is_not_read_for_a_small_cone(tmp_path):
    n = 40_000
    ra, dec = np.random.default_rng(2).uniform([[0], [-60]], [[360], [60]], (2, n))
    order = np.argsort(fine_cells(ra, dec))  # as the rows of a cube are
    ra, dec = ra[order], dec[order]
    spectra_file(tmp_path / "sparse.h5", ra, dec)
    before = bytes_read()
    with hiss.cube.open(tmp_path / "sparse.h5") as cube:
        found = cube.spectra.cone((100.0, 20.0), 2.0)
    assert bytes_read() - before < n * SPECTRUM_TABLE_DTYPE.itemsize / 3
    assert found.rows.tolist() == np.flatnonzero(separation(ra, dec, 100, 20) <= 2).tolist()
    assert len(found) > 5


# ---- cones ----


def spectra_file(path, ra, dec):
    """A sparse cube of spectra that have positions alone."""
    table = np.zeros(len(ra), SPECTRUM_TABLE_DTYPE)
    table["ra"], table["dec"], table["plate"] = ra, dec, np.arange(len(ra))
    with h5py.File(path, "w") as file:
        file[SPECTRUM_TABLE] = table
        file[f"{spectra_group(0)}/db_index"] = spectrum_index(ra, dec, np.arange(len(ra)))


@pytest.mark.parametrize(("middle", "radius"), [((0, 0), 1), ((359.99, 5), 0.5), ((0.001, -89.9), 2), ((180, 90), 3)])
def test_a_cone_works_across_ra_0_and_at_the_poles(tmp_path, middle, radius):
    rng = np.random.default_rng(7)
    around = SkyCoord(*middle, unit="deg").directional_offset_by(
        rng.uniform(0, 360, 3000) * u.deg, 2 * radius * np.sqrt(rng.uniform(0, 1, 3000)) * u.deg
    )
    spectra_file(tmp_path / "sparse.h5", around.ra.deg, around.dec.deg)
    truth = np.flatnonzero(around.separation(SkyCoord(*middle, unit="deg")).deg <= radius)
    assert 600 < len(truth) < 900
    with hiss.cube.open(tmp_path / "sparse.h5") as cube:
        assert cube.spectra.cone(middle, radius).rows.tolist() == truth.tolist()
        assert cube.spectra[::2].cone(middle, radius).rows.tolist() == truth[truth % 2 == 0].tolist()
    with h5py.File(tmp_path / "sparse.h5", "r+") as file:
        del file[f"{spectra_group(0)}/db_index"]
    with hiss.cube.open(tmp_path / "sparse.h5") as cube:
        assert cube.spectra.cone(middle, radius).rows.tolist() == truth.tolist()


# ---- in words; imports ----


def test_a_cube_is_described_in_words(folder):
    with hiss.cube.open(folder / "hiss_cube.h5") as cube:
        text = cube.describe()
    for part in (
        "17 targets, 13 of them with a star formation rate",
        "13 GALAXY, 2 QSO, 2 STAR",
        "5 x 64 x 64, 5 x 32 x 32, 5 x 16 x 16, 5 x 8 x 8, bands u g r i z",
        FLUX_UNIT,
        "21 spectra at zoom 0, 1, 2, 3",
        "10 frames (2 u, 2 g, 2 r, 2 i, 2 z)",
        f'mode="{folder.name}"',
    ):
        assert part in text, part
    assert ("windows around targets" in text) == (folder.name == "targets")


def test_the_command_says_what_a_file_holds(folder, tmp_path):
    line = [sys.executable, "-m", "hiss.cube.reader"]
    done = subprocess.run([*line, folder / "dense.h5"], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert "17 targets" in done.stdout
    done = subprocess.run([*line, tmp_path / "none.h5"], cwd=SCRIPTS, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_no_build_depends_on_the_readers():
    readers = {"reader.py", "objects.py", "sources.py", "selections.py"}
    for script in ("build_sparse.py", "build_dense.py", "build_links.py"):
        assert not readers & {path.name for path in modules_of(SCRIPTS / script)}


def test_what_a_cube_of_an_empty_sky_says(tmp_path):
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file.create_group(SPARSE)
    with hiss.cube.open(tmp_path / "links.h5") as cube:
        assert cube.describe() == str(tmp_path / "links.h5")
