"""The readers on every other form of a cube: one file, shards, an adopted public cube. All give the same answers."""

import shutil

import numpy as np
import pytest
from astropy import units as u
from public_cube import make_public

import hiss.cube
from hiss.bands import BANDS, FLUX_UNIT
from hiss.cube.adopt import AdoptedFiles, adopt_cube
from hiss.cube.layout import ZOOMS
from hiss.cube.master import build_master
from hiss.cube.single import export_single
from hiss.cube.stitch import Shard, stitch_dense, stitch_links, stitch_sparse
from hiss.errors import HissError
from hiss.plots.look import example_of_target, facts, find_by_name

GALAXY = {"plate": 703, "mjd": 52209, "fiber": 193}


@pytest.fixture(scope="module")
def full(small_cube):
    with hiss.cube.open(small_cube("full") / "hiss_cube.h5") as cube:
        yield cube


@pytest.fixture(scope="module")
def single(small_cube, tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "hiss_cube_single.h5"
    export_single(*(small_cube("full") / f"{name}.h5" for name in ("sparse", "links", "dense")), path)
    return path


@pytest.fixture(scope="module")
def stitched(small_cube, small_sky, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stitched")
    shutil.copytree(small_cube("full"), folder / "shards" / "0")
    shards = [Shard("0", folder / "shards" / "0")]
    sparse, links, dense = (folder / f"{name}.h5" for name in ("sparse", "links", "dense"))
    catalogue = small_sky / "raw" / "catalogue"
    stitch_sparse(shards, catalogue / "gal_info_dr7_v5_2.fit", catalogue / "gal_totsfr_dr7_v5_2.fits", sparse)
    stitch_links(shards, sparse, links)
    stitch_dense(shards, sparse, links, dense)
    build_master(sparse, links, dense, folder / "hiss_cube.h5")
    return folder / "hiss_cube.h5"


@pytest.fixture(scope="module")
def adopted(single, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adopted")
    public = make_public(single, folder / "public.h5")
    files = AdoptedFiles(
        *(folder / name for name in ("manifest.parquet", "sparse.h5", "links.h5", "dense.h5", "rejects.parquet"))
    )
    adopt_cube(public, files, 3.0)
    build_master(files.sparse, files.links, files.dense, folder / "hiss_cube.h5")
    return folder / "hiss_cube.h5"


def same(first, second, **close):
    assert first.unit == second.unit == u.Unit(FLUX_UNIT)
    if close:
        np.testing.assert_allclose(first.value, second.value, **close)
    else:
        np.testing.assert_array_equal(first.value, second.value)


@pytest.mark.parametrize("form", ["single", "stitched"])
def test_one_file_and_shards_give_the_same_answers(full, form, request):
    with hiss.cube.open(request.getfixturevalue(form)) as cube:
        assert cube.targets.table.equals(full.targets.table) or list(map(str, cube.targets.table.to_numpy())) == list(
            map(str, full.targets.table.to_numpy())
        )
        target, other = cube.target(**GALAXY), full.target(**GALAXY)
        for zoom in ZOOMS:
            for kind in ("cutout", "spectrum"):
                for part in ("flux", "sigma"):
                    same(getattr(getattr(target, kind)(zoom), part), getattr(getattr(other, kind)(zoom), part))
            same(cube.spectra[[3, 1]].read(zoom).sigma, full.spectra[[3, 1]].read(zoom).sigma)
            frame, twin = (one.frame(5823, 3, 88, "g", zoom) for one in (cube, full))
            same(frame.read(slice(20, 30))[0], twin.read(slice(20, 30))[0])
            assert frame.header == twin.header
        for band in BANDS:
            epochs, twins = (one.epochs(band, 1, left_out=True) for one in (target, other))
            assert epochs.path.tolist() == twins.path.tolist()
            same(epochs.flux, twins.flux)
        near = cube.targets.cone((36.44, -0.2), 3 * u.arcmin)
        assert near.rows.tolist() == full.targets.cone((36.44, -0.2), 3 * u.arcmin).rows.tolist()
        assert (
            cube.spectra.cone((36.44, -0.2), 0.05).rows.tolist() == full.spectra.cone((36.44, -0.2), 0.05).rows.tolist()
        )
        assert f"{len(full.targets)} targets" in cube.describe()


@pytest.mark.parametrize("form", ["single", "stitched", "adopted"])
def test_a_look_at_any_form_of_a_cube_is_the_same(full, form, request):
    with hiss.cube.open(request.getfixturevalue(form)) as cube:
        for zoom in (0, 3):
            mine, its = (example_of_target(find_by_name(one, "703-52209-193"), zoom) for one in (cube, full))
            assert facts(mine)[0] == facts(its)[0]
            loose = {"rtol": 1e-4, "atol": 0.1 * np.nanmax(its.image_sigma)} if form == "adopted" else {"rtol": 0}
            np.testing.assert_allclose(mine.images, its.images, **loose)
            if form != "adopted" or zoom == 0:  # its coarser spectra are made anew, by our rebinning
                np.testing.assert_allclose(mine.spectrum, its.spectrum, **loose)
            np.testing.assert_allclose(mine.wl, its.wl, rtol=1e-6)


def test_a_shard_that_is_missing_is_named_and_not_read_as_nan(stitched, tmp_path):
    folder = tmp_path / "cube"
    shutil.copytree(stitched.parent, folder)
    shutil.rmtree(folder / "shards")
    with hiss.cube.open(folder / "hiss_cube.h5") as cube:
        for ask in (lambda: cube.targets.cutouts(3), lambda: cube.spectra.read(3), lambda: cube.frames[0].read()):
            with pytest.raises(HissError, match=r"shards/0/\w+.h5: this shard of .* is missing; run the workflow"):
                ask()


def test_an_adopted_public_cube_is_read_in_our_units(full, adopted):
    with hiss.cube.open(adopted) as cube:
        target, other = cube.target(**GALAXY), full.target(**GALAXY)
        assert (len(cube.targets), len(cube.frames)) == (len(full.targets), len(full.frames))
        for zoom in ZOOMS:
            mine, theirs = target.cutout(zoom), other.cutout(zoom)
            assert mine.unit == theirs.unit
            assert np.abs((mine.flux - theirs.flux) / theirs.sigma).max() < 0.1, "its epochs have other weights"
            frame, twin = (one.frame(5823, 3, 88, "g", zoom) for one in (cube, full))
            for mine, theirs in zip(frame.read(slice(20, 30)), twin.read(slice(20, 30))):
                same(mine, theirs, rtol=1e-4, atol=1e-5)
        single, twin = (one.spectrum(**GALAXY).read(0) for one in (cube, full))
        same(single.flux, twin.flux, rtol=1e-4, atol=1e-5)
        epochs, twins = (one.epochs("r") for one in (target, other))
        assert epochs.path.tolist() == twins.path.tolist()
        same(epochs.flux, twins.flux, rtol=1e-4, atol=1e-5)
        same(epochs.sigma, twins.sigma, rtol=1e-4)


def test_the_real_public_cube_is_read_once_it_is_adopted(sdss_files, tmp_path):
    names = ("manifest.parquet", "sparse.h5", "links.h5", "dense.h5", "rejects.parquet")
    files = AdoptedFiles(*(tmp_path / name for name in names))
    adopt_cube(sdss_files / "public_hiss_cube_small.h5", files, 3.0)
    build_master(files.sparse, files.links, files.dense, tmp_path / "hiss_cube.h5")
    with hiss.cube.open(tmp_path / "hiss_cube.h5") as cube:
        star = cube.targets.cone((38.3018, -0.1339), 2 * u.arcsec)[0]
        assert (len(cube.targets), len(cube.spectra), len(cube.frames)) == (1, 4, 6)
        epochs = star.epochs("u")
        assert len(epochs) == 2
        assert np.isnan(epochs.sigma).all(), "the file has zeros for its sigmas"
        flux, sigma = cube.frames[0].read()
        assert np.isfinite(flux).all()
        assert 0 < np.isfinite(sigma).sum() < 0.01 * sigma.size
        assert sigma[np.isfinite(sigma)].min() > 0
        for zoom in ZOOMS:
            spectra = cube.spectra.read(zoom)
            assert (np.isnan(spectra.flux) == np.isnan(spectra.sigma)).all()
        assert np.isnan(cube.spectra.read(0).flux).sum() == 19, "masked samples, in which the file has a flux"
        assert star.cutout().flux.max() > 100 * u.Unit(FLUX_UNIT)
        assert np.nanmedian(cube.spectrum(3126, 54804, 211).read(2).flux.value) > 1
        assert cube.describe().count("\n") > 5
