"""Mode targets: of the frames only the windows around targets are kept, and the dense cube is the same."""

import bz2
import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from cube_programs import dense_line, environment, run, sparse_line

from hiss.bands import CUTOUT_SIZE, FRAME_SHAPE
from hiss.config.cube import Cube
from hiss.cube.comm import Alone
from hiss.cube.cutouts import Cutouts
from hiss.cube.dense import build_dense
from hiss.cube.intact import verify
from hiss.cube.layout import COVERAGE, IMAGE_TABLE, TARGETS, WINDOW_DTYPE, WINDOW_TABLE, WINDOWS, ZOOMS
from hiss.cube.linking import Linker
from hiss.cube.links import build_links
from hiss.cube.master import build_master
from hiss.cube.options import Options
from hiss.cube.photometry import Calibration
from hiss.cube.rejects import merge_rejects
from hiss.cube.sparse import SparseInputs, build_sparse
from hiss.cube.wcs import pixel_to_sky, wcs_of
from hiss.cube.windows import Finder, Labels, Spool
from hiss.errors import HissError
from hiss.files import read_table, write_table
from hiss.sample.accounts import check_accounts, image_table, target_spectra
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.frame import read_frame
from hiss.sdss.manifest import make_manifest

PACK = {".bz2": bz2.compress, ".gz": gzip.compress, "": bytes}


def settings(**changes) -> str:
    return Cube(mode="targets", **changes).for_build()


def options(**changes) -> Options:
    return Options.of(json.loads(settings(**changes)))


@pytest.fixture(scope="module")
def raw(sdss_files, tmp_path_factory):
    """The real field with frames plain, gzipped and bzipped, one damaged in the middle, and the spectra in it."""
    folder = tmp_path_factory.mktemp("raw")
    sky = folder / "sky"
    sky.mkdir()
    for number, path in enumerate(sorted((sdss_files / "images").rglob("frame-*.bz2"))):
        content = bz2.decompress(path.read_bytes())
        suffix = (".bz2", "", ".gz", "", "", "")[number]
        (sky / f"{path.stem}{suffix}").write_bytes(PACK[suffix](content, **({"compresslevel": 1} if suffix else {})))
        if path.name.startswith("frame-g"):
            (sky / "frame-g-002820-3-0121.fits").write_bytes(content[:5_000_000])
    for plate in (3126, 3127, 4238, 7330, 266):
        for path in (sdss_files / "spectra").glob(f"spec-{plate:04d}-*.fits"):
            shutil.copy(path, sky)
    write_table(folder / "manifest.parquet", make_manifest(sky))
    tables = folder / "gal_info.fit", folder / "gal_totsfr.fits"
    write_sfr_catalogue(catalogue_from_csv(sdss_files / "labels" / "mpajhu_dr7_sfr_107rows.csv"), *tables)
    return SparseInputs(folder / "manifest.parquet", sky, *tables)


def built(inputs, out, chosen):
    """The whole cube in this process."""
    build_sparse(Alone(), inputs, chosen, out / "sparse.h5", out / "sparse_rejects.parquet")
    return finished(out, chosen)


def finished(out, chosen):
    build_links(out / "sparse.h5", out / "links.h5", chosen.link_radius_arcmin)
    build_dense(Alone(), out / "sparse.h5", out / "links.h5", chosen, out / "dense.h5", out / "dense_rejects.parquet")
    build_master(out / "sparse.h5", out / "links.h5", out / "dense.h5", out / "hiss_cube.h5")
    return out


@pytest.fixture(scope="module")
def full(raw, tmp_path_factory):
    return built(raw, tmp_path_factory.mktemp("full"), replace(options(), mode="full"))


@pytest.fixture(scope="module")
def cube(raw, tmp_path_factory):
    return built(raw, tmp_path_factory.mktemp("targets"), options())


def differences(one, other) -> list[str]:
    """Names of the datasets of one dense cube that have other bytes in another."""
    found = []
    with h5py.File(one / "dense.h5") as first, h5py.File(other / "dense.h5") as second:
        names: list[str] = []
        first.visit(names.append)
        assert {TARGETS, "dense_cube/0/ml_image/errors", "dense_cube/3/ml_spectrum/errors"} <= set(names)
        for name in names:
            if isinstance(first[name], h5py.Dataset) and first[name][()].tobytes() != second[name][()].tobytes():
                found.append(name)
    return found


def only_references(names) -> bool:
    return all(name.rpartition("/")[2] == "image_cutout_refs" for name in names)


def test_the_dense_cube_is_that_of_whole_frames(full, cube):
    found = differences(full, cube)
    assert found
    assert only_references(found)
    with h5py.File(cube / "dense.h5") as file:
        assert len(file[TARGETS]) == 1
    assert (cube / "sparse.h5").stat().st_size < (full / "sparse.h5").stat().st_size / 10


def test_the_dense_cube_of_a_simulated_sky_is_that_of_whole_frames(small_cube):
    whole, windows = small_cube("full"), small_cube("targets")
    found = differences(whole, windows)
    assert only_references(found)
    with h5py.File(windows / "dense.h5") as file, h5py.File(windows / "sparse.h5") as sparse:
        assert len(file[TARGETS]) > 10
        assert (file[TARGETS]["n_epochs"] > 1).any()
        assert len(sparse[WINDOW_TABLE]) > 5 * len(file[TARGETS])


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_any_number_of_ranks_writes_the_same_bytes(raw, cube, tmp_path, ranks):
    run(sparse_line(ranks, raw, settings(), tmp_path))
    build_links(tmp_path / "sparse.h5", tmp_path / "links.h5", 8.4)
    run(dense_line(ranks, settings(), tmp_path))
    for name in ("dense.h5", "links.h5"):
        with h5py.File(tmp_path / name) as one, h5py.File(cube / name) as other:
            names: list[str] = []
            other.visit(names.append)
            for name in names:
                if isinstance(other[name], h5py.Dataset):
                    assert one[name][()].tobytes() == other[name][()].tobytes(), name
    with h5py.File(tmp_path / "sparse.h5") as one, h5py.File(cube / "sparse.h5") as other:
        for name in (
            *(f"{WINDOWS}/{part}" for part in ("data", "errors", "data_checksums")),
            WINDOW_TABLE,
            IMAGE_TABLE,
        ):
            assert one[name][()].tobytes() == other[name][()].tobytes(), name
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_compressed_windows_hold_the_same_values(raw, cube, tmp_path):
    run(sparse_line(3, raw, settings(compression="gzip"), tmp_path))
    with h5py.File(tmp_path / "sparse.h5") as file, h5py.File(cube / "sparse.h5") as plain:
        assert file[f"{WINDOWS}/data"].compression == "gzip"
        for name in ("data", "errors"):
            np.testing.assert_array_equal(file[f"{WINDOWS}/{name}"], plain[f"{WINDOWS}/{name}"])


def test_values_have_as_many_bits_as_in_full_mode(raw, tmp_path):
    chosen = options(mantissa_bits=7)
    out = [tmp_path / mode for mode in ("full", "targets")]
    for folder in out:
        folder.mkdir()
        built(raw, folder, replace(chosen, mode=folder.name))
    assert only_references(differences(*out))


def test_windows_are_the_frames_own_pixels(full, cube):
    with h5py.File(full / "sparse.h5") as frames, h5py.File(cube / "sparse.h5") as file:
        table = file[WINDOW_TABLE][:]
        assert table.dtype == WINDOW_DTYPE
        assert len(table) == 6
        assert (np.diff(table["spectrum"]) >= 0).all()
        np.testing.assert_array_equal(frames[IMAGE_TABLE][:], file[IMAGE_TABLE][:])
        for number, (_, frame, row, column) in enumerate(table.tolist()):
            window = np.s_[frame, row : row + CUTOUT_SIZE, column : column + CUTOUT_SIZE]
            for name in ("data", "errors"):
                pixels = frames[f"semi_sparse_cube/0/images/{name}"][window]
                np.testing.assert_array_equal(file[f"{WINDOWS}/{name}"][number], pixels)


def test_references_lead_to_the_pixels_and_to_the_frame(full, cube):
    with h5py.File(cube / "hiss_cube.h5") as file, h5py.File(full / "hiss_cube.h5") as whole:
        group = file["dense_cube/0/ml_image"]
        windows, headers = group["image_cutout_refs"][0, 1], group["image_metadata_refs"][0, 1]
        (window,), (header,) = windows[windows["ds_path"] != b""], headers[headers["ds_path"] != b""]
        place = np.s_[window["ds_slice_idx"], window["x_min"] : window["x_max"], window["y_min"] : window["y_max"]]
        np.testing.assert_array_equal(file[window["ds_path"]][place], group["cutout_3d_cube_zoom_0"][0, 1])
        path = file[header["ds_path"]][header["ds_slice_idx"]]["path"].decode()
        assert path.startswith("frame-g-002820-3-0122")
        for name in ("metadata", "errors"):
            ours, theirs = (one[f"semi_sparse_cube/0/spectra/image_cutouts_{name}"][:] for one in (file, whole))
            label = (theirs["ds_path"] != b"").sum(axis=1) == (ours["ds_path"] != b"").sum(axis=1)
            assert label.any()
            if name == "metadata":
                np.testing.assert_array_equal(ours[label], theirs[label])


def test_every_file_is_accounted_for_as_in_full_mode(raw, full, cube):
    rejects = []
    for out in (full, cube):
        found = merge_rejects([out / "sparse_rejects.parquet", out / "dense_rejects.parquet"])
        manifest = read_table(raw.manifest)
        check_accounts(manifest, image_table(out / "sparse.h5"), target_spectra(out / "dense.h5"), found)
        rejects.append(found.sort_values("path", ignore_index=True))
    assert rejects[0].equals(rejects[1])
    assert "truncated" in rejects[0].set_index("path")["reason"]["frame-g-002820-3-0121.fits"]


@pytest.mark.parametrize("name", ["sparse.h5", "dense.h5", "hiss_cube.h5"])
def test_each_file_opens_on_a_picture(cube, name):
    with h5py.File(cube / name) as file:
        node = file
        while node.attrs.get("NX_class") != "NXdata":
            node = file[node.attrs["default"]]
        data = node[node.attrs["signal"]]
        assert data.attrs["interpretation"] == "image"
        assert np.isfinite(data[0]).all()
        if name != "dense.h5":
            for zoom in ZOOMS:
                part = file[file[f"semi_sparse_cube/{zoom}"].attrs["default"]]
                assert part.attrs["signal"] in part
        assert name == "dense.h5" or f"{WINDOWS}/data" in file


def test_a_changed_window_is_found(cube, tmp_path):
    path = shutil.copy(cube / "sparse.h5", tmp_path)
    for name in ("sparse.h5", "links.h5", "dense.h5", "hiss_cube.h5"):
        assert verify(cube / name)["rows"] >= 0
    with h5py.File(path, "r+") as file:
        file[f"{WINDOWS}/errors"][4, 30, 30] *= 1.0001
    with pytest.raises(HissError, match="row 4 of /semi_sparse_cube/windows/errors"):
        verify(path)


@pytest.mark.parametrize(("kind", "compression"), [("frame", None), ("spectrum", "gzip")])
def test_without_targets_there_are_no_windows(raw, tmp_path, kind, compression):
    manifest = read_table(raw.manifest)
    write_table(tmp_path / "manifest.parquet", manifest[manifest["kind"] == kind])
    inputs = replace(raw, manifest=tmp_path / "manifest.parquet")
    run(sparse_line(2, inputs, settings(compression=compression), tmp_path))
    finished(tmp_path, options(compression=compression))
    with h5py.File(tmp_path / "sparse.h5") as file, h5py.File(tmp_path / "dense.h5") as dense:
        assert file[f"{WINDOWS}/data"].shape == (0, CUTOUT_SIZE, CUTOUT_SIZE)
        assert len(file[IMAGE_TABLE]) == (6 if kind == "frame" else 0)
        assert len(file[WINDOW_TABLE]) == len(dense[TARGETS]) == 0
    verify(tmp_path / "sparse.h5")


def test_a_killed_rank_leaves_nothing_but_what_the_next_run_removes(raw, tmp_path):
    with subprocess.Popen(
        sparse_line(2, raw, settings(), tmp_path), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as started:
        parts: list = []
        while not parts and started.poll() is None:
            parts = list(tmp_path.glob(".sparse.h5.*.part"))
            time.sleep(0.01)
        os.kill(int(parts[0].name.split(".")[-2]), signal.SIGKILL)  # rank 0's own number is in the name
        started.communicate(timeout=120)
    assert started.returncode != 0
    left = {path.name for path in tmp_path.iterdir()} - {"sparse.log", parts[0].name}
    assert left == set()
    run(sparse_line(2, raw, settings(), tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sparse.h5", "sparse.log", "sparse_rejects.parquet"]


def test_a_full_disk_ends_the_build_with_a_sentence_and_leaves_nothing(raw, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Spool, "add", full)
    with pytest.raises(HissError, match=r"No space left on device.*make room"):
        build_sparse(Alone(), raw, options(), tmp_path / "sparse.h5", tmp_path / "rejects.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_window_has_the_bits_of_the_whole_frame(sdss_files):
    frame = read_frame(next((sdss_files / "images").rglob("frame-u-004948*.bz2")))
    frame.image[700, 1000:1003] = np.nan, np.inf, -np.inf
    calibration = Calibration(frame, 3.0)
    flux, sigma = np.empty((2, *FRAME_SHAPE), np.float32)
    calibration.block(slice(None), slice(None), flux, sigma)
    assert np.argwhere(np.isnan(flux) | np.isnan(sigma)).tolist() == [[700, 1000], [700, 1001], [700, 1002]]
    rng = np.random.default_rng(3)
    starts = [*zip(*(rng.integers(0, length - CUTOUT_SIZE + 1, 30).tolist() for length in FRAME_SHAPE)), (680, 990)]
    for row, column in (*starts, (0, 0), (FRAME_SHAPE[0] - CUTOUT_SIZE, FRAME_SHAPE[1] - CUTOUT_SIZE)):
        place = slice(row, row + CUTOUT_SIZE), slice(column, column + CUTOUT_SIZE)
        window = np.empty((2, CUTOUT_SIZE, CUTOUT_SIZE), np.float32)
        calibration.block(*place, *window)
        assert window[0].tobytes() == flux[place].tobytes()
        assert window[1].tobytes() == sigma[place].tobytes()


def test_windows_and_links_agree_on_what_is_whole(sdss_files):
    frame = read_frame(next((sdss_files / "images").rglob("frame-r-*.bz2")))
    wcs = wcs_of(frame.header, frame.path)
    rng = np.random.default_rng(4)
    column = np.concatenate([rng.uniform(28, 36, 200), rng.uniform(2010, 2020, 200), rng.uniform(-900, 3000, 400)])
    row = np.concatenate([rng.uniform(0, 1489, 200), rng.uniform(1452, 1460, 200), rng.uniform(-900, 2400, 400)])
    ra, dec = pixel_to_sky(wcs, column, row)
    images = np.zeros(1, [("band", "S1"), ("tai", "f8"), ("ra", "f8"), ("dec", "f8")])
    images["band"], images["ra"], images["dec"] = b"r", wcs["CRVAL1"], wcs["CRVAL2"]
    links = Linker(images, wcs[None], 8.4)(ra, dec)
    spectrum = 3 * np.arange(len(ra))
    found = Finder(Labels(spectrum, ra, dec)).windows(wcs)
    assert 100 < len(found) < 500
    assert found["spectrum"].tolist() == spectrum[links.position].tolist()
    middle = np.stack([found["y_min"] - links.column, found["x_min"] - links.row]) + CUTOUT_SIZE / 2 - 0.5
    assert (np.abs(middle) <= 0.5).all()
    assert len(Finder(Labels.none()).windows(wcs)) == 0


def test_a_spool_gives_back_what_it_was_given_and_has_no_name(tmp_path):
    spool = Spool(tmp_path)
    windows = np.random.default_rng(5).normal(size=(5, 2, CUTOUT_SIZE, CUTOUT_SIZE)).astype(np.float32)
    spool.add(windows[:2])
    spool.add(windows[2:])
    np.testing.assert_array_equal(spool.read(np.array([4, 0, 0])), windows[[4, 0, 0]])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="gave 0 of"):
        spool.read(np.array([5]))
    spool.close()


def test_cutouts_are_read_in_the_order_of_their_references(cube):
    with h5py.File(cube / "sparse.h5") as file, h5py.File(cube / "links.h5") as links:
        references = links["semi_sparse_cube/0/spectra/image_cutouts_data"][:]
        references = references[references["ds_path"] != b""][[3, 0, 5, 0]]
        flux, sigma = Cutouts(file).read(references)
        rows = references["ds_slice_idx"]
        assert len(set(rows.tolist())) == 3
        np.testing.assert_array_equal(flux, file[f"{WINDOWS}/data"][:][rows])
        np.testing.assert_array_equal(sigma, file[f"{WINDOWS}/errors"][:][rows])


def test_a_radius_that_misses_frames_says_so(cube, tmp_path, capsys):
    meaning = []
    for radius in (5, 8.4):
        build_links(cube / "sparse.h5", tmp_path / "links.h5", radius)
        with h5py.File(tmp_path / "links.h5") as file:
            meaning.append(file[COVERAGE].attrs["long_name"])
        said = "link_radius_arcmin is 5" in capsys.readouterr().err
        assert said == (radius == 5)
    assert "no frame whose centre is within 5 arcmin" in meaning[0]
    assert meaning[1].startswith("0: no frame,")
