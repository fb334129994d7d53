"""Size and roundness of galaxies whose true shape is known."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.bands import PIXEL_SCALE
from hiss.sample.shapes import adaptive_moments, axes, axis_ratio, light_of, measure_shapes
from hiss.sky.profiles import Shape, double_gaussian, fibre_fractions, render

SEEING = 1.25  # arcsec
MIDDLE = np.array([[31.5, 31.5]])


def galaxies(bulge, disk, r_bulge, r_disk, ratio, angle=0.6, x=31.5, y=31.5):
    """Cutouts of Sersic galaxies (radii in arcsec) and their shape, in arcsec too."""
    n = len(np.atleast_1d(ratio))
    full = [np.broadcast_to(np.asarray(value, dtype=np.float64), n).copy() for value in
            (bulge, disk, r_bulge, r_disk, ratio, angle, x, y)]  # fmt: skip
    bulge, disk, r_bulge, r_disk, ratio, angle, x, y = full
    shape = Shape(r_bulge, r_disk, ratio, angle)
    pixels = Shape(r_bulge / PIXEL_SCALE, r_disk / PIXEL_SCALE, ratio, angle)
    return render(bulge, disk, pixels, (x, y), double_gaussian(SEEING / PIXEL_SCALE), 64), shape


def gaussian(xx, xy, yy, x=31.5, y=31.5):
    columns, rows = np.meshgrid(np.arange(64) - x, np.arange(64) - y)
    inverse = np.linalg.inv([[xx, xy], [xy, yy]])
    return np.exp(-0.5 * (inverse[0, 0] * columns**2 + 2 * inverse[0, 1] * columns * rows + inverse[1, 1] * rows**2))


@settings(max_examples=25, deadline=None)
@given(
    major=st.floats(1.5, 5),
    ratio=st.floats(0.3, 1),
    angle=st.floats(-1.5, 1.5),
    x=st.floats(30, 33),
    y=st.floats(30, 33),
)
def test_moments_of_a_gaussian_are_its_covariance_wherever_it_lies(major, ratio, angle, x, y):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xx, xy, _, yy = (turn @ np.diag([major**2, (major * max(ratio, 1 / major)) ** 2]) @ turn.T).ravel()
    found = adaptive_moments(gaussian(xx, xy, yy, x, y)[None], MIDDLE)
    assert [found.x[0], found.y[0]] == pytest.approx([x, y], abs=1e-3)
    assert [found.xx[0], found.xy[0], found.yy[0]] == pytest.approx([xx, xy, yy], abs=2e-3 * major**2)
    a, b, direction = axes(found)
    assert a[0] == pytest.approx(major, rel=1e-3)
    if b[0] < 0.9 * a[0]:
        assert np.sin(direction[0] - angle) == pytest.approx(0, abs=0.01)


def test_noise_far_from_a_source_does_not_turn_its_moments():
    rng = np.random.default_rng(1)
    images = gaussian(9, 2, 4)[None] + rng.normal(0, 0.02, (200, 64, 64))
    found = adaptive_moments(images, np.repeat(MIDDLE, 200, axis=0))
    for value, true in ((found.xx, 9), (found.xy, 2), (found.yy, 4)):
        assert abs(value.mean() - true) < 4 * value.std() / np.sqrt(200) + 0.02
        assert value.std() < 0.06 * 9


@pytest.mark.parametrize("size", [2.5, 4.0])
def test_the_axis_ratio_of_disks_is_theirs_without_the_seeing(size):
    true = np.array([0.25, 0.4, 0.6, 0.8, 1.0])
    images, _ = galaxies(0, 1000, 0, size, true)
    moments = adaptive_moments(images, np.repeat(MIDDLE, 5, axis=0))
    assert axis_ratio(moments, SEEING) == pytest.approx(true, abs=0.06)
    blurred = axis_ratio(moments, 1e-6)
    assert (blurred[:3] > axis_ratio(moments, SEEING)[:3]).all()
    assert (np.diff(blurred) > 0).all()


def test_a_star_is_hidden_by_the_seeing_and_noise_has_no_shape():
    star, _ = galaxies(1000, 0, 0.01, 0.01, 1.0)
    rng = np.random.default_rng(2)
    images = np.concatenate([star, rng.normal(0, 1, (3, 64, 64)), np.full((1, 64, 64), np.nan)])
    moments = adaptive_moments(images, np.repeat(MIDDLE, 5, axis=0))
    ratio = axis_ratio(moments, 1.5)
    assert np.isnan(ratio[0])
    assert np.isnan(ratio[-1])
    assert np.isnan(light_of(images[-1], moments, 4, 3.8).outside)


@pytest.mark.parametrize(("bulge", "disk"), [(0, 1000), (300, 700), (1000, 0)])
@pytest.mark.parametrize("size", [1.5, 3.0, 5.0])
def test_the_share_of_light_outside_the_fibre_is_that_of_the_profile(bulge, disk, size):
    images, shape = galaxies(bulge, disk, size / 2, size, np.array([0.5, 0.9]))
    moments = adaptive_moments(images, np.repeat(MIDDLE, 2, axis=0))
    found = np.array([light_of(image, moments, row, 1.5 / PIXEL_SCALE) for row, image in enumerate(images)])
    of_bulge, of_disk = fibre_fractions(shape, SEEING, 1.5)
    true = 1 - (bulge * of_bulge + disk * of_disk) / 1000
    assert found[:, 0] == pytest.approx(true, abs=0.1)  # Kron misses a tenth of a large bulge
    assert (found[:, 1] * PIXEL_SCALE > 0.4).all()


def test_larger_galaxies_lose_more_light_and_a_smaller_fibre_misses_more():
    images, _ = galaxies(0, 1000, 0, np.array([1.0, 2.0, 3.0, 4.5]), np.full(4, 0.7))
    moments = adaptive_moments(images, np.repeat(MIDDLE, 4, axis=0))
    wide, narrow = (
        np.array([light_of(image, moments, row, radius / PIXEL_SCALE) for row, image in enumerate(images)])
        for radius in (1.5, 1.0)
    )
    assert (np.diff(wide[:, 0]) > 0.05).all()
    assert (narrow[:, 0] > wide[:, 0]).all()
    assert (np.diff(wide[:, 1]) > 0).all()


def test_a_table_of_cutouts_is_measured_without_their_neighbours(tmp_path):
    images, _ = galaxies(200, 800, 0.5, 3.0, np.array([0.4, 0.4, 0.9]))
    other, _ = galaxies(0, 2500, 0, 2.0, np.array([1.0]), x=47.0, y=20.0)
    mask = np.zeros((3, 64, 64), np.uint8)
    mask[1] = other[0] > 0.02 * other[0].max()
    crowded = images.copy()
    crowded[1] += other[0]
    with h5py.File(tmp_path / "zoom0.h5", "w") as file:
        file["images"] = np.repeat(crowded[:, None], 5, axis=1).astype("f4")
    with h5py.File(tmp_path / "neighbours.h5", "w") as file:
        file["mask"], file["centre"] = mask, np.repeat(MIDDLE, 3, axis=0).astype("f4")
    table = measure_shapes(tmp_path / "zoom0.h5", tmp_path / "neighbours.h5", [3.0, 3.0, 2.0], SEEING)
    assert table["row"].tolist() == [0, 1, 2]
    assert table["axis_ratio"].is_monotonic_increasing or table.loc[2, "axis_ratio"] > table.loc[0, "axis_ratio"]
    for name in ("axis_ratio", "outside_fibre", "half_light_arcsec"):
        assert table.loc[1, name] == pytest.approx(table.loc[0, name], rel=0.1), name
    narrow = measure_shapes(tmp_path / "zoom0.h5", tmp_path / "neighbours.h5", [2.0, 2.0, 2.0], SEEING)
    assert (narrow["outside_fibre"][:2] > table["outside_fibre"][:2]).all()
