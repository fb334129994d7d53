"""The real sky as the judge: one star in six real frames, at every zoom, in two epochs."""

import json

import h5py
import numpy as np
import pytest
from scipy.ndimage import map_coordinates, spline_filter
from scipy.optimize import least_squares
from scipy.special import erf

from hiss.config.cube import Cube
from hiss.cube.comm import Alone
from hiss.cube.layout import IMAGE_TABLE, ZOOMS, images_group
from hiss.cube.options import Options
from hiss.cube.sparse import SparseInputs, build_sparse
from hiss.cube.wcs import pixel_to_sky, sky_to_pixel
from hiss.files import write_table
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.manifest import make_manifest

STAR = (38.301802, -0.13391571)  # where the fibre was
FRAMES = range(6)


@pytest.fixture(scope="module")
def cube(sdss_files, tmp_path_factory):
    """The sparse cube of the six real frames."""
    folder = tmp_path_factory.mktemp("sky_truth")
    manifest = make_manifest(sdss_files)
    write_table(folder / "manifest.parquet", manifest[manifest["kind"] == "frame"])
    tables = folder / "gal_info.fit", folder / "gal_totsfr.fits"
    write_sfr_catalogue(catalogue_from_csv(sdss_files / "labels" / "mpajhu_dr7_sfr_107rows.csv"), *tables)
    inputs = SparseInputs(folder / "manifest.parquet", sdss_files, *tables)
    options = Options.of(json.loads(Cube().for_build()))
    build_sparse(Alone(), inputs, options, folder / "sparse.h5", folder / "rejects.parquet")
    with h5py.File(folder / "sparse.h5") as file:
        yield file


def centroid(pixels, sigma, side=1):
    """Column and row of a star in a small image of pixels so many native ones wide, by a fit of a round Gaussian."""
    edges = np.arange(len(pixels) + 1) - 0.5
    peak = np.unravel_index(pixels.argmax(), pixels.shape)

    def line(center, width):
        return np.diff(erf((edges - center) * side / width / np.sqrt(2)))

    def residual(parameters):
        column, row, width, height, level = parameters
        star = np.outer(line(row, width), line(column, width))
        return ((height * star + level - pixels) / sigma).ravel()

    return least_squares(residual, [peak[1], peak[0], 1.5, pixels.max(), 0.0]).x[:2]


def around(group, frame, half):
    """Flux and sigma around the star's pixel at a zoom, and the first row and column."""
    column, row = (int(np.rint(pixel)) for pixel in sky_to_pixel(group["wcs"][frame], *STAR))
    place = np.s_[frame, row - half : row + half + 1, column - half : column + half + 1]
    return group["data"][place], group["errors"][place], row - half, column - half


def star_on_the_sky(cube, frame):
    pixels, sigma, row, column = around(cube[images_group(0)], frame, 6)
    x, y = centroid(pixels, sigma)
    return pixel_to_sky(cube[f"{images_group(0)}/wcs"][frame], x + column, y + row)


@pytest.mark.parametrize("frame", FRAMES)
def test_the_star_is_where_its_fibre_was(cube, frame):
    column, row = sky_to_pixel(cube[f"{images_group(0)}/wcs"][frame], *STAR)
    there = sky_to_pixel(cube[f"{images_group(0)}/wcs"][frame], *star_on_the_sky(cube, frame))
    assert np.hypot(there[0] - column, there[1] - row) < 0.5


@pytest.mark.parametrize("zoom", ZOOMS[1:])
@pytest.mark.parametrize("frame", FRAMES)
def test_the_star_is_at_one_place_of_the_sky_at_every_zoom(cube, frame, zoom):
    """The native star, moved until its block means are those of the zoom: it needs no moving.

    A block is wider than the star at zoom 3, so that no centroid is good to 0.1 native pixel there; the star's own
    profile is, because it says how much of it each block must hold.
    """
    side, native, group = 2**zoom, cube[images_group(0)], cube[images_group(zoom)]
    pixels, sigma, first_row, first_column = around(group, frame, max(16 >> zoom, 2))
    offset = (np.arange(side) + 0.5) / side - 0.5  # where a block's native pixels lie, in pixels of the zoom
    rows = (first_row + np.arange(len(pixels))[:, None] + offset).ravel()
    columns = (first_column + np.arange(len(pixels))[:, None] + offset).ravel()
    sky = pixel_to_sky(group["wcs"][frame], *np.meshgrid(columns, rows))
    x, y = sky_to_pixel(native["wcs"][frame], *sky)
    low, high = int(y.min()) - 20, int(y.max()) + 20
    left, right = int(x.min()) - 20, int(x.max()) + 20
    profile = spline_filter(native["data"][frame, low:high, left:right].astype(np.float64))

    def residual(shift):
        moved = map_coordinates(profile, [y - low + shift[1], x - left + shift[0]], prefilter=False)
        means = moved.reshape(len(pixels), side, len(pixels), side).mean(axis=(1, 3))
        return ((means - pixels) / sigma).ravel()

    found = least_squares(residual, [0.3, -0.3])
    assert np.hypot(*found.x) < 0.01
    left, moved = (np.square(residual(shift)).sum() for shift in (found.x, [0.1, 0.0]))
    assert moved > 100 * left  # a tenth of a pixel would have shown


@pytest.mark.parametrize("frame", FRAMES)
def test_its_centroid_where_a_block_is_narrower_than_the_star_is_the_native_one(cube, frame):
    group = cube[images_group(1)]
    pixels, sigma, row, column = around(group, frame, 6)
    found = centroid(pixels, sigma, 2) + np.array([column, row])
    expected = np.array(sky_to_pixel(group["wcs"][frame], *star_on_the_sky(cube, frame)))
    assert np.hypot(*(found - expected)) * 2 < 0.1


def flux_within(cube, frame, radius):
    """Flux and its sigma within a radius [native pixel] of the star."""
    group = cube[images_group(0)]
    pixels, sigma, first_row, first_column = around(group, frame, 12)
    x, y = sky_to_pixel(group["wcs"][frame], *star_on_the_sky(cube, frame))
    rows, columns = np.indices(pixels.shape)
    inside = np.hypot(columns + first_column - x, rows + first_row - y) < radius
    return pixels[inside].sum(dtype=np.float64), np.sqrt(np.square(sigma[inside], dtype=np.float64).sum())


def test_the_u_flux_of_the_star_agrees_between_the_epochs(cube):
    table = cube[IMAGE_TABLE][:]
    first, second = np.flatnonzero(table["band"] == b"u")
    assert table["run"][[first, second]].tolist() == [2820, 4948]
    apart = {}
    for radius in (5, 8):
        (one, one_sigma), (other, other_sigma) = (flux_within(cube, frame, radius) for frame in (first, second))
        apart[radius] = abs(one - other) / np.hypot(one_sigma, other_sigma)
    assert apart[8] < 1
    assert apart[5] > 3  # the second epoch's seeing is worse: so small an aperture misses light
