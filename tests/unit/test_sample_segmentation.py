"""Segmentation judged by simulated cutouts whose neighbours are known, beside the thesis's threshold."""

import h5py
import numpy as np
import pytest
from simulated_scenes import make_scenes

from hiss.config.sample import MultiObject
from hiss.sample.multi import count_regions
from hiss.sample.neighbours import CENTRAL, NEIGHBOUR, PIECE, Masks, load_masks, mirrored, take_out, without_neighbours
from hiss.sample.segmentation import Segmentation, find_sources, in_noise_units, sky_noise
from hiss.sample.sources import find_neighbours

CONFIG = MultiObject()
SETTINGS = Segmentation.of(CONFIG.segmentation.model_dump())


def segmented(scenes, **other):
    settings = Segmentation.of(CONFIG.segmentation.model_dump() | other)
    return [find_sources(*one, settings) for one in zip(*in_noise_units(scenes.images, scenes.sigma, settings.band))]


def share_found(scenes, **other):
    return np.mean([len(scene.neighbours) > 0 for scene in segmented(scenes, **other)])


def share_flagged(scenes):
    return np.mean(count_regions(scenes.images[:, 2], CONFIG.threshold) > 1)


def masks_of(found):
    return Masks(np.stack([scene.mask for scene in found]), np.array([scene.centre for scene in found], np.float32))


# ---- completeness and false positives ----


@pytest.fixture(scope="module")
def isolated():
    return make_scenes(400, 1)


def test_an_isolated_galaxy_has_no_neighbour(isolated):
    assert share_found(isolated) == 0
    assert share_found(isolated, band="all") == 0


@pytest.mark.parametrize(
    ("fainter_by", "separation", "found", "flagged"),
    [  # found: at least, by segmentation; flagged: at most, by the threshold rule
        (0, 5, 0.98, 0.05),
        (0, 11, 0.98, 0.05),
        (1, 8, 0.98, 0.1),
        (2, 8, 0.98, 0.35),
        (3, 8, 0.95, 0.2),
        (2, 3, 0.9, 0.35),
    ],
)
def test_stars_are_found_by_segmentation_and_mostly_missed_by_the_threshold(fainter_by, separation, found, flagged):
    scenes = make_scenes(120, 7, fainter_by, separation)
    assert share_found(scenes) >= found
    assert share_flagged(scenes) <= flagged


@pytest.mark.parametrize(("fainter_by", "found"), [(1, 0.98), (2, 0.95)])
def test_galaxies_are_found_too(fainter_by, found):
    assert share_found(make_scenes(120, 8, fainter_by, 8, point=False)) >= found


def test_a_neighbour_too_faint_to_matter_is_left():
    scenes = make_scenes(120, 9, 4.5, 8)
    assert share_found(scenes) == 0
    assert share_found(scenes, min_flux_ratio=0.0, min_snr=5.0) > 0.9, "it can be asked for"


def test_several_bands_find_what_one_does():
    scenes = make_scenes(120, 10, 2, 8)
    assert share_found(scenes, band="all") > 0.95


# ---- a galaxy is not shredded ----


def blob(x_0, y_0, height, width=1.7):
    y, x = np.mgrid[:64, :64]
    return height * np.exp(-0.5 * ((x - x_0) ** 2 + (y - y_0) ** 2) / width**2)


def spiral():
    """A bright disk, point symmetric, with knots along two arms: light that deblenders cut to pieces."""
    y, x = np.mgrid[:64, :64] - 32.0
    disk = 100 * np.exp(-np.hypot(x, y / 0.5) / 5)
    for turn in np.linspace(0.6, 2.4, 4):
        for side in (1, -1):
            radius = side * (8 + 5 * turn)
            disk += blob(32 + radius * np.cos(turn), 32 + radius * np.sin(turn), 60)
    return disk


def test_arms_and_knots_of_one_galaxy_are_no_neighbours():
    rng = np.random.default_rng(2)
    alone, pieces, found = spiral(), [], []
    for trial in range(20):
        image = alone + blob(56, 8, 100) * (trial % 2)
        noise = np.sqrt(1 + image / 50)
        scene = find_sources((image + noise * rng.normal(size=image.shape)).astype("f4"), noise.astype("f4"), SETTINGS)
        pieces.append(scene.n_detected)
        found.append(len(scene.neighbours))
    assert min(pieces) > 4, "SEP takes it for several sources"
    assert found[::2] == [0] * 10
    assert found[1::2] == [1] * 10, "a star beside it is still one"


def test_of_two_neighbours_opposite_each_other_the_brighter_is_found():
    scenes = make_scenes(30, 3)
    y, x = np.mgrid[:64, :64]
    for sign, height in ((1, 40), (-1, 60)):
        star = np.exp(-0.5 * ((x - 32 - sign * 18) ** 2 + (y - 32) ** 2) / 1.5**2)
        scenes.images[:, 2] += height * scenes.sigma[:, 2].min() * star
    found = segmented(scenes, min_flux_ratio=0.0)
    assert {len(scene.neighbours) for scene in found} == {1}, "the known limit of a test by symmetry"


# ---- the central source after its neighbours are taken out ----


@pytest.mark.parametrize(("fainter_by", "separation"), [(0, 8), (1, 5), (2, 8), (3, 11)])
def test_the_central_flux_is_that_of_the_isolated_object(fainter_by, separation):
    scenes = make_scenes(200, 11, fainter_by, separation)
    found = segmented(scenes)
    some = np.array([len(scene.neighbours) > 0 for scene in found])
    images, sigma = take_out(scenes.images, scenes.sigma, masks_of(found))
    true, flux = (values.sum(axis=(2, 3), dtype=float)[some] for values in (scenes.alone, images))
    error = np.sqrt((sigma.astype(float) ** 2).sum(axis=(2, 3)))[some]
    pull = (flux - true) / error
    assert (np.abs(pull) < 3).mean(axis=0).min() > 0.95
    assert np.abs(np.median(pull, axis=0)).max() < 0.8
    assert np.abs(np.median(flux / true, axis=0) - 1)[1:].max() < 0.015
    untouched = scenes.images.sum(axis=(2, 3), dtype=float)[some]
    assert np.median(untouched[:, 2] / true[:, 2]) > 1.05, "there was something to take out"


def test_sigmas_of_sums_over_copied_pixels_are_true():
    """Of sky of known noise, a tenth of it masked and copied: the scatter of its sum is the sigma of the sum."""
    rng = np.random.default_rng(4)
    n = 2000
    images = rng.normal(0, 2.0, (n, 5, 64, 64)).astype("f4")
    sigma = np.full_like(images[:1], 2.0)
    mask = np.zeros((n, 64, 64), bool)
    mask[:, 40:56, 36:62] = True
    masks = Masks(mask, np.full((n, 2), 31.5, "f4"))
    flux = take_out(images, None, masks)[0].sum(axis=(2, 3), dtype=float)
    told = take_out(images[:1], sigma, Masks(mask[:1], masks.centre[:1]))[1]
    assert flux.std() / np.sqrt((told.astype(float) ** 2).sum() / 5) == pytest.approx(1, abs=0.03)


def test_a_pixel_whose_twin_is_hidden_takes_the_sky():
    images = np.full((1, 5, 64, 64), 3.0, "f4") * np.arange(1, 6, dtype="f4")[None, :, None, None]
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 20:24, 20:24] = mask[0, 40:44, 40:44] = True
    images[0][:, mask[0]] = 1e4
    clean, sigma = take_out(images, np.ones_like(images), Masks(mask, np.array([[31.5, 31.5]], "f4")))
    np.testing.assert_array_equal(clean, np.full_like(clean, 3) * np.arange(1, 6)[None, :, None, None])
    assert sigma.max() == 1


def test_a_half_turn_is_about_the_nearest_half_pixel():
    image = np.arange(64.0 * 64).reshape(64, 64)
    np.testing.assert_array_equal(mirrored(image, (31.5, 31.5)), image[::-1, ::-1])
    turned = mirrored(image, (32.1, 31.9))  # nearest: 32, 32
    np.testing.assert_array_equal(turned[1:, 1:], image[:0:-1, :0:-1])
    assert np.isnan(turned[0]).all()
    assert np.isnan(turned[:, 0]).all()


# ---- zooms agree, and what is not touched stays to the bit ----


def test_every_zoom_is_the_block_mean_of_the_cutout_without_its_neighbours():
    scenes = make_scenes(40, 12, 1, 8)
    masks = masks_of(segmented(scenes))
    clean, clean_sigma = take_out(scenes.images, scenes.sigma, masks)
    for zoom in (0, 1, 2, 3):
        step, side = 1 << zoom, 64 >> zoom
        blocks = scenes.images.reshape(40, 5, side, step, side, step)
        coarse = blocks.mean(axis=(3, 5))
        coarse_sigma = np.full_like(coarse, 7)
        images, sigma = without_neighbours(coarse, coarse_sigma, scenes.images, scenes.sigma, masks)
        wanted = clean.reshape(blocks.shape).mean(axis=(3, 5), dtype=float)
        np.testing.assert_allclose(images, wanted, rtol=1e-4, atol=1e-4)
        hit = masks.mask.reshape(40, side, step, side, step).any(axis=(2, 4))
        np.testing.assert_array_equal(np.moveaxis(images, 1, 3)[~hit], np.moveaxis(coarse, 1, 3)[~hit])
        squares = (clean_sigma.reshape(blocks.shape).astype(float) ** 2).sum(axis=(3, 5))
        np.testing.assert_allclose(
            np.moveaxis(sigma, 1, 3)[hit], np.moveaxis(np.sqrt(squares) / step**2, 1, 3)[hit], rtol=1e-5
        )
        assert (np.moveaxis(sigma, 1, 3)[~hit] == 7).all()


# ---- the files ----


def write(path, images, sigma):
    with h5py.File(path, "w") as file:
        file["images"], file["image_sigma"] = images, sigma
    return path


def test_files_hold_what_was_found(tmp_path):
    scenes = make_scenes(6, 13, [0, 0, 0, 9, 9, 9], [8, 8, 4, 8, 8, 8])
    arrays = write(tmp_path / "zoom0.h5", scenes.images, scenes.sigma)
    table = find_neighbours(arrays, SETTINGS, tmp_path / "neighbours.h5", {"a": 1})
    assert table["row"].tolist() == list(range(6))
    assert table["multi"].tolist() == [True] * 3 + [False] * 3
    assert table["n_sources"].tolist() == [2] * 3 + [1] * 3
    assert table["central"].all()
    assert (table["central_offset_arcsec"] < 0.6).all()  # a pixel and a half: the neighbour's light draws the centroid
    assert (table["central_offset_arcsec"][4:] < 0.25).all()
    assert table["neighbour_flux_share"][:2].between(0.35, 0.6).all()
    assert table["nearest_arcsec"][:2].between(3, 8).all()
    assert table["nearest_arcsec"][3:].isna().all()
    masks = load_masks(tmp_path / "neighbours.h5", [3, 1])
    assert masks.mask.any(axis=(1, 2)).tolist() == [False, True]
    with h5py.File(tmp_path / "neighbours.h5") as file:
        kind = file["kind"][()]
        assert (kind[:, 32, 32] == CENTRAL).all()
        assert (kind[:3] == NEIGHBOUR).any(axis=(1, 2)).all()
        assert not (kind[3:] == NEIGHBOUR).any()
        assert PIECE not in kind[0]
    again = find_neighbours(arrays, SETTINGS, tmp_path / "again.h5", {"a": 1})
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "neighbours.h5").read_bytes()
    assert again.equals(table)


def test_no_cutout_and_a_cutout_of_nothing(tmp_path):
    nothing = np.full((2, 5, 64, 64), np.nan, "f4")
    empty = find_neighbours(write(tmp_path / "a.h5", nothing[:0], nothing[:0]), SETTINGS, tmp_path / "0.h5", {})
    assert len(empty) == 0
    assert empty["multi"].dtype == bool
    table = find_neighbours(write(tmp_path / "b.h5", nothing, nothing), SETTINGS, tmp_path / "1.h5", {})
    assert table["n_detected"].tolist() == [0, 0]
    assert not table["central"].any()


def test_cutouts_without_sigmas_are_measured_by_their_edge():
    scenes = make_scenes(20, 14)
    unknown = np.full_like(scenes.sigma, np.nan)
    measured = sky_noise(scenes.images[:, 2], unknown[:, 2])
    np.testing.assert_allclose(measured, sky_noise(scenes.images[:, 2], scenes.sigma[:, 2]), rtol=0.35)
    assert share_found(type(scenes)(scenes.images, unknown, scenes.alone, scenes.galaxies, scenes.separation)) == 0
