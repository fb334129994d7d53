"""The cube's MPI build on real files and on broken ones: known answers, same bytes on any number of ranks."""

import bz2
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from cube_programs import MPI, SCRIPTS, command, run

from hiss.bands import BANDS, FLUX_UNIT
from hiss.config.cube import Cube
from hiss.cube.comm import Alone, assert_ranks
from hiss.cube.dense_plan import plan_dense
from hiss.cube.hdf5 import to_table
from hiss.cube.intact import verify
from hiss.cube.layout import IMAGE_TABLE, SPECTRUM_TABLE, TARGET_SPECTRA, TARGETS, ZOOMS
from hiss.cube.links import build_links
from hiss.cube.master import build_master
from hiss.cube.rejects import merge_rejects
from hiss.cube.shared import shared_temporary
from hiss.cube.zoom import zoom_images
from hiss.errors import HissError
from hiss.files import write_table
from hiss.provenance import digest
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.manifest import make_manifest

OPTIONS = Cube().for_build()


def sparse_arguments(raw, out):
    return [
        "--manifest", raw / "manifest.parquet", "--root", raw / "sky",
        "--gal-info", raw / "gal_info_dr7_v5_2.fit", "--gal-totsfr", raw / "gal_totsfr_dr7_v5_2.fits",
        "--settings", OPTIONS, "--output", out / "sparse.h5",
        "--rejects", out / "sparse_rejects.parquet", "--log", out / "sparse.log",
    ]  # fmt: skip


def build(raw, out, ranks):
    """The whole cube on so many ranks."""
    run(command("build_sparse.py", ranks, *sparse_arguments(raw, out)))
    build_links(out / "sparse.h5", out / "links.h5", 8.4)
    run(
        command(
            "build_dense.py", ranks, "--sparse", out / "sparse.h5", "--links", out / "links.h5",
            "--settings", OPTIONS, "--output", out / "dense.h5",
            "--rejects", out / "dense_rejects.parquet", "--log", out / "dense.log",
        )
    )  # fmt: skip
    build_master(out / "sparse.h5", out / "links.h5", out / "dense.h5", out / "hiss_cube.h5")
    return out


@pytest.fixture(scope="module")
def raw(sdss_files, tmp_path_factory):
    """The real files and three broken ones; frames unpacked, but one, so that builds are quick."""
    folder = tmp_path_factory.mktemp("raw")
    sky = folder / "sky"
    shutil.copytree(sdss_files / "spectra", sky / "spectra")
    packed = sorted((sdss_files / "images").rglob("frame-*.bz2"))
    for path in packed:
        if path.name.startswith("frame-z"):
            shutil.copy(path, sky)
        else:
            (sky / path.stem).write_bytes(bz2.decompress(path.read_bytes()))
    (sky / "frame-r-002820-3-0121.fits.bz2").write_bytes(packed[0].read_bytes()[:100_000])
    with fits.open(sky / "frame-g-002820-3-0122.fits") as hdus:
        fits.HDUList([hdus[0], hdus[1]]).writeto(sky / "frame-g-002820-3-0120.fits")
    with fits.open(sky / "spectra" / "spec-0266-51602-0013.fits") as hdus:
        hdus[1].data = hdus[1].data[:0]
        for key, value in (("PLATEID", 267), ("FIBERID", 13)):
            hdus[0].header[key] = value
        hdus.writeto(sky / "spectra" / "spec-0267-51602-0013.fits")
    write_table(folder / "manifest.parquet", make_manifest(sky))
    catalogue = catalogue_from_csv(sdss_files / "labels" / "mpajhu_dr7_sfr_107rows.csv")
    write_sfr_catalogue(catalogue, folder / "gal_info_dr7_v5_2.fit", folder / "gal_totsfr_dr7_v5_2.fits")
    return folder


@pytest.fixture(scope="module")
def one(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def cube(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("two"), 2)


@pytest.fixture(scope="module")
def master(cube):
    with h5py.File(cube / "hiss_cube.h5", "r") as file:
        yield file


@pytest.mark.parametrize("name", ["sparse.h5", "links.h5", "dense.h5", "hiss_cube.h5"])
def test_one_rank_and_two_write_the_same_bytes(one, cube, name):
    found = []

    def compare(path, item):
        if isinstance(item, h5py.Dataset):
            found.append(path)
            assert item[()].tobytes() == second[path][()].tobytes(), path

    with h5py.File(one / name) as first, h5py.File(cube / name) as second:
        first.visititems(compare)
    assert found or name == "hiss_cube.h5"
    assert (one / name).read_bytes() == (cube / name).read_bytes()


@pytest.mark.parametrize("name", ["sparse.h5", "links.h5", "dense.h5", "hiss_cube.h5"])
def test_each_file_proves_intact(cube, name):
    assert (verify(cube / name)["rows"] > 0) == (name != "hiss_cube.h5")


@pytest.mark.parametrize(
    ("name", "dataset", "sentence"),
    [
        ("sparse.h5", "semi_sparse_cube/2/images/errors", "row 0 of /semi_sparse_cube/2/images/errors"),
        ("links.h5", "semi_sparse_cube/0/spectra/image_cutouts_data", "links.h5: "),
        ("dense.h5", "dense_cube/1/ml_image/errors", "row 0 of /dense_cube/1/ml_image/errors"),
        ("dense.h5", "dense_cube/targets", "/dense_cube/targets is not what was written"),
    ],
)
def test_a_flipped_bit_in_any_file_is_found(one, name, dataset, sentence):
    with h5py.File(one / name) as file:
        identity = file[dataset].id
        place = identity.get_chunk_info(0).byte_offset if file[dataset].chunks else identity.get_offset()
    with (one / name).open("r+b") as file:
        file.seek(place + 20)
        byte = file.read(1)[0]
        try:
            file.seek(place + 20)
            file.write(bytes([byte ^ 1]))
            file.flush()
            with pytest.raises(HissError, match=sentence):
                verify(one / name)
        finally:
            file.seek(place + 20)
            file.write(bytes([byte]))


def test_the_only_target_is_the_f_star(master):
    targets = to_table(master[TARGETS][:])
    assert len(targets) == 1 == master["dense_cube"].attrs["target_count"]
    star = targets.iloc[0]
    assert (star["ra"], star["dec"]) == pytest.approx((38.3018, -0.1339), abs=1e-4)
    assert star["class"] == "STAR"
    assert star["n_epochs"].tolist() == [2, 1, 1, 1, 1]
    assert (star["n_spectra"], star["fiber_arcsec"], star["has_sfr"]) == (2, 3.0, False)
    assert star["chi2_dof_image"] == pytest.approx(1, abs=0.1)
    assert star["chi2_dof_spectrum"] > 5  # its two SDSS spectra differ by 12 %
    for zoom in ZOOMS:
        assert np.isfinite(master[f"dense_cube/{zoom}/ml_image/cutout_3d_cube_zoom_{zoom}"][:]).all()
        assert (master[f"dense_cube/{zoom}/ml_image/errors"][:] > 0).all()
        assert np.isfinite(master[f"dense_cube/{zoom}/ml_spectrum/spectral_1d_cube_zoom_{zoom}"][:]).mean() > 0.99


def test_its_three_spectra_are_listed_and_two_are_stacked(master):
    spectra = to_table(master[TARGET_SPECTRA][:])
    assert dict(zip(spectra["plate"], spectra["stacked"])) == {3126: True, 3127: True, 7330: False}
    rows = spectra["spectrum"].to_numpy()
    assert master[SPECTRUM_TABLE]["plate"][rows].tolist() == spectra["plate"].tolist()
    refs = master["dense_cube/0/ml_spectrum/spec_metadata_refs"][0]
    assert refs["ds_slice_idx"].tolist() == rows[spectra["stacked"].to_numpy(bool)].tolist()


def test_every_input_is_in_the_cube_or_set_aside_with_its_reason(raw, cube):
    manifest = make_manifest(raw / "sky")
    rejects = merge_rejects([cube / "sparse_rejects.parquet", cube / "dense_rejects.parquet"])
    reason = {Path(path).name: text for path, text in zip(rejects["path"], rejects["reason"])}
    assert "truncated" in reason["frame-r-002820-3-0121.fits.bz2"]
    assert "sky HDU" in reason["frame-g-002820-3-0120.fits"]
    assert "zero length" in reason["spec-0267-51602-0013.fits"]
    assert reason["spec-4238-55455-0037.fits"] == "cutout not whole"
    others = {name: text for name, text in reason.items() if name.startswith(("spec-0266", "spec-041"))}
    assert len(others) == 13
    assert set(others.values()) == {"no frame covers it"}
    with h5py.File(cube / "sparse.h5") as file, h5py.File(cube / "dense.h5") as dense:
        frames, spectra = (to_table(file[name][:])["path"].tolist() for name in (IMAGE_TABLE, SPECTRUM_TABLE))
        used = [spectra[row] for row in dense[TARGET_SPECTRA]["spectrum"]]
    for kind, inside in (("frame", frames), ("spectrum", used)):
        listed = manifest.loc[manifest["kind"] == kind, "path"]
        assert sorted([*inside, *rejects.loc[rejects["kind"] == kind, "path"]]) == sorted(listed)


def test_holes_of_unreadable_files_are_closed(master):
    assert master.attrs["image_count"] == 6
    assert master.attrs["spectrum_count"] == 17
    for zoom in ZOOMS:
        images = master[f"semi_sparse_cube/{zoom}/images"]
        assert images["data"].shape == (6, 1489 >> zoom, 2048 >> zoom)
        assert master[f"semi_sparse_cube/{zoom}/spectra/data"].shape == (17, 4620 >> zoom)
        assert (images["errors"][:, 100 >> zoom] > 0).all()
        assert len(images["metadata"]) == len(images["wcs"]) == 6
    for row, record in enumerate(master[IMAGE_TABLE][:]):
        header = json.loads(master["fits_images_metadata"]["header"][row])
        assert master["fits_images_metadata"]["path"][row] == record["path"]
        assert (header["FILTER"], header["RUN"]) == (record["band"].decode(), record["run"])
        assert header["CRVAL1"] == record["ra"]


def test_dense_zooms_are_block_means_of_the_target_s_native_pixels(master):
    native = [master[f"dense_cube/0/ml_image/{name}"][:] for name in ("cutout_3d_cube_zoom_0", "errors")]
    for zoom, (flux, sigma) in enumerate(zoom_images(*native)):
        np.testing.assert_array_equal(master[f"dense_cube/{zoom}/ml_image/cutout_3d_cube_zoom_{zoom}"], flux)
        np.testing.assert_array_equal(master[f"dense_cube/{zoom}/ml_image/errors"], sigma)


def test_references_lead_to_the_pixels_and_errors_are_those_of_the_data(master):
    refs = master["dense_cube/0/ml_image/image_cutout_refs"][0]
    for band in range(1, 5):
        (ref,) = refs[band][refs[band]["ds_path"] != b""]
        window = np.s_[ref["ds_slice_idx"], ref["x_min"] : ref["x_max"], ref["y_min"] : ref["y_max"]]
        for name, dense in (("data", "cutout_3d_cube_zoom_0"), ("errors", "errors")):
            source = master[ref["ds_path"].decode().replace("data", name)]
            np.testing.assert_array_equal(source[window], master[f"dense_cube/0/ml_image/{dense}"][0, band])
        assert master[IMAGE_TABLE]["band"][ref["ds_slice_idx"]].decode() == BANDS[band]
    assert (refs[0]["ds_path"] != b"").sum() == 2


def test_two_epochs_are_less_noisy_than_one(master):
    refs = master["dense_cube/0/ml_image/image_cutout_refs"][0, 0]
    sigma = [
        master["semi_sparse_cube/0/images/errors"][
            ref["ds_slice_idx"], ref["x_min"] : ref["x_max"], ref["y_min"] : ref["y_max"]
        ]
        for ref in refs
    ]
    stacked = master["dense_cube/0/ml_image/errors"][0, 0]
    assert np.all(stacked < np.minimum(*sigma))


def test_the_star_is_that_of_the_public_cube_but_for_its_faults(master, sdss_files):
    with h5py.File(sdss_files / "public_hiss_cube_small.h5") as public:
        theirs = public["dense_cube/0/ml_image/cutout_3d_cube_zoom_0"][0][[0, 4, 1, 2, 3]] / 1e-17
        spectrum = public["dense_cube/0/ml_spectrum/spectral_1d_cube_zoom_0"][0] / 1e-17
    ours = master["dense_cube/0/ml_image/cutout_3d_cube_zoom_0"][0]
    area = (np.pi * 1.5**2 / 0.396**2) / (np.pi * 2.0**2 / 0.4**2)
    for band in range(1, 5):  # their u is weighted by wrong errors; their windows start one pixel lower
        bright = ours[band, :-1, :-1] > 0.3 * ours[band].max()
        ratio = (ours[band, :-1, :-1] / theirs[band, 1:, 1:])[bright]
        np.testing.assert_allclose(np.median(ratio), area, rtol=2e-3)
    ours_spectrum = master["dense_cube/0/ml_spectrum/spectral_1d_cube_zoom_0"][0]
    assert np.nanmedian(ours_spectrum / spectrum) == pytest.approx(1, abs=0.03)


def test_image_and_spectrum_agree_within_the_fibre(master):
    y, x = np.mgrid[:64, :64]
    fibre = np.hypot(x - 31.5, y - 31.5) < 1.5 / 0.396
    image = master["dense_cube/0/ml_image/cutout_3d_cube_zoom_0"][0][:, fibre].sum(axis=1) / 45.07
    wl = master["dense_cube/0/ml_spectrum/wl"][:]
    flux = master["dense_cube/0/ml_spectrum/spectral_1d_cube_zoom_0"][0]
    for band, (low, high) in {1: (4000, 5400), 2: (5600, 6800), 3: (6900, 8200)}.items():
        assert image[band] == pytest.approx(np.nanmean(flux[(wl > low) & (wl < high)]), rel=0.1)


DEVIATIONS = ("time", "CR", "CD")  # wider on purpose: docs/cube-format.md


def test_the_tree_is_the_public_one(master, sdss_files):
    with h5py.File(sdss_files / "public_hiss_cube_small.h5") as public:
        paths: list[str] = []
        public.visit(paths.append)
        for path in paths:
            assert path in master, path
            theirs, ours = public[path], master[path]
            if isinstance(theirs, h5py.Group):
                assert ours.attrs.get("NX_class", "NXcollection") == theirs.attrs.get("NX_class", "NXcollection")
                assert ours.attrs.get("signal") == theirs.attrs.get("signal")
                continue
            assert ours.ndim == theirs.ndim, path
            assert ours.shape[2:] == theirs.shape[2:] or "refs" in path, path
            for name in theirs.dtype.names or ():
                if not name.startswith(DEVIATIONS):
                    assert ours.dtype[name] == theirs.dtype[name], (path, name)
            if not theirs.dtype.names:
                assert ours.dtype == theirs.dtype, path
        assert {"NX_class", "default", "image_count", "spectrum_count"} <= set(master.attrs)


@pytest.mark.parametrize("name", ["sparse.h5", "dense.h5", "hiss_cube.h5"])
def test_each_file_opens_on_a_picture(cube, name):
    with h5py.File(cube / name) as file:
        node = file
        for _ in range(4):
            if node.attrs.get("NX_class") == "NXdata":
                break
            node = file[node.attrs["default"]]
        data = node[node.attrs["signal"]]
        assert data.attrs["interpretation"] == "image"
        assert data.attrs["units"] == node["errors"].attrs["units"] == FLUX_UNIT
        assert json.loads(file.attrs["provenance"])["settings"] is not None


def test_references_between_datasets_of_one_file_resolve(cube):
    with h5py.File(cube / "sparse.h5") as file:
        for kind in ("images", "spectra"):
            data = file[f"semi_sparse_cube/2/{kind}/data"]
            for key, name in (("error", "errors"), ("metadata", "metadata"), ("index", "db_index")):
                assert file[data.attrs[f"{key}_ds_ref"]] == data.parent[name]


def test_star_formation_rates_join_to_the_right_spectra(cube, sdss_files):
    truth = pd.read_csv(sdss_files / "labels" / "spectra_with_labels.csv").set_index(["PLATEID", "MJD", "FIBERID"])
    with h5py.File(cube / "sparse.h5") as file:
        joined = to_table(file["fits_spectra_metadata_star_formation_rates"][:])
        assert len(file["star_formation_rates"]) == 107
        assert to_table(file[SPECTRUM_TABLE][:])["path"].tolist() == joined["path"].tolist()
    for row in joined.itertuples():
        assert row.avg == pytest.approx(truth["tot_AVG"].get((row.plate, row.mjd, row.fiber), np.nan), nan_ok=True)
    assert joined["has_sfr"].sum() == truth["tot_AVG"].notna().sum() > 0


def test_links_of_another_cube_are_refused(cube, tmp_path):
    links = shutil.copy(cube / "links.h5", tmp_path)
    with h5py.File(links, "r+") as file:
        record = json.loads(file.attrs["provenance"])
        with h5py.File(cube / "sparse.h5") as sparse:
            assert record["inputs"]["sparse"] == digest(json.loads(sparse.attrs["provenance"]))
        record["inputs"]["sparse"] = "another"
        file.attrs["provenance"] = json.dumps(record)
    with pytest.raises(HissError, match="was not made from"):
        plan_dense(cube / "sparse.h5", links, 1.5)


def test_a_killed_rank_leaves_no_output_and_the_next_run_cleans_up(raw, tmp_path):
    line = command("build_sparse.py", 2, *sparse_arguments(raw, tmp_path))
    started = subprocess.Popen(
        [str(part) for part in line],
        env={**os.environ, **MPI},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    parts: list[Path] = []
    while not parts and started.poll() is None:
        parts = list(tmp_path.glob(".sparse.h5.*.part"))
        time.sleep(0.01)
    os.kill(int(parts[0].name.split(".")[-2]), signal.SIGKILL)  # rank 0's own number is in the name
    _, errors = started.communicate(timeout=120)
    assert started.returncode != 0, errors
    assert not (tmp_path / "sparse.h5").exists()
    with pytest.raises(ValueError, match="enough"), shared_temporary(tmp_path / "sparse.h5", Alone()) as temporary:
        assert list(tmp_path.glob(".*.part")) == []
        temporary.write_text("half")
        raise ValueError("enough")
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".h5", ".part")]


def test_a_world_of_another_size_stops_with_the_remedy(raw, tmp_path):
    arguments = sparse_arguments(raw, tmp_path)
    run([sys.executable, SCRIPTS / "build_sparse.py", "--ranks", "8", *arguments], fails=True)
    log = (tmp_path / "sparse.log").read_text()
    assert log.splitlines()[1].startswith("error: 8 MPI ranks were asked for but the world has 1")
    assert "mpirun" in log
    assert not (tmp_path / "sparse.h5").exists()
    assert_ranks(Alone(), 1)


def test_catalogues_of_unequal_length_end_every_rank(raw, tmp_path):
    table = tmp_path / "gal_totsfr_dr7_v5_2.fits"
    with fits.open(raw / "gal_totsfr_dr7_v5_2.fits") as hdus:
        hdus[1].data = hdus[1].data[:-1]
        hdus.writeto(table)
    spectra = make_manifest(raw / "sky")
    write_table(tmp_path / "manifest.parquet", spectra[spectra["kind"] == "spectrum"])
    arguments = sparse_arguments(raw, tmp_path)
    arguments[arguments.index("--gal-totsfr") + 1] = table
    arguments[arguments.index("--manifest") + 1] = tmp_path / "manifest.parquet"
    run(command("build_sparse.py", 2, *arguments), fails=True)
    log = (tmp_path / "sparse.log").read_text()
    assert log.splitlines()[1].startswith("error: ")  # before a spectrum was read
    assert "107" in log
    assert "106" in log
    assert "Traceback" not in log
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".h5", ".part")]
