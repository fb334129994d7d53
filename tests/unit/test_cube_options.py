"""The dense cube under each option: what is stacked, what is refused, and what the tables say of it."""

import json
import os

import h5py
import numpy as np
import pandas as pd
import pytest
from cube_programs import SCRIPTS, dense_line, run

from hiss.bands import BANDS, N_ZOOMS
from hiss.config.cube import Cube
from hiss.cube import dense, dense_stack
from hiss.cube.comm import Alone
from hiss.cube.dense import build_dense
from hiss.cube.dense_stack import ARRAYS
from hiss.cube.hdf5 import to_table
from hiss.cube.intact import verify
from hiss.cube.layout import IMAGE_TABLE, TARGET_SPECTRA, TARGETS, ml_image_data, ml_image_group, ml_spectrum_group
from hiss.cube.options import Options
from hiss.cube.precision import round_mantissa
from hiss.cube.targets import label_scatter
from hiss.cube.zoom import zoom_images
from hiss.errors import HissError


def options(**changes) -> Options:
    return Options.of(json.loads(Cube(**changes).for_build()))


@pytest.fixture(scope="module")
def whole(small_cube):
    """The folder of the small sky's cube of default options."""
    return small_cube("full")


@pytest.fixture
def out(whole, tmp_path):
    """A folder with the sparse cube and links of the small sky, and no dense cube."""
    for name in ("sparse.h5", "links.h5"):
        os.link(whole / name, tmp_path / name)
    return tmp_path


def own_copy(path):
    """Make a file that may be changed out of one that is the other tests' too."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def build(out, **changes):
    build_dense(
        Alone(),
        out / "sparse.h5",
        out / "links.h5",
        options(**changes),
        out / "dense.h5",
        out / "dense_rejects.parquet",
    )
    return h5py.File(out / "dense.h5")


def same_arrays(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(one[name][:], other[name][:])
    for name in (TARGETS, TARGET_SPECTRA):
        assert one[name][:].tobytes() == other[name][:].tobytes()


@pytest.fixture(scope="module")
def default(whole):
    with h5py.File(whole / "dense.h5") as file:
        yield file


def references(file, target):
    """The windows of a target, a list a band."""
    table = file[f"{ml_image_group(0)}/image_cutout_refs"][target]
    return [[one for one in band if one["ds_path"]] for band in table]


def window(out, reference, name="data"):
    _, frame, x_min, x_max, y_min, y_max = reference.tolist()
    with h5py.File(out / "sparse.h5") as file:
        return file[f"semi_sparse_cube/0/images/{name}"][frame, x_min:x_max, y_min:y_max]


def test_the_small_sky_has_stacks_to_refuse(default):
    targets = default[TARGETS][:]
    assert (targets["n_epochs"] > 1).any()
    assert (targets["n_spectra"] > 1).any()
    assert not targets["refused_image"].any()
    assert not targets["refused_spectrum"].any()
    np.testing.assert_array_equal(np.isfinite(targets["chi2_dof_spectrum"]), targets["n_spectra"] > 1)
    np.testing.assert_array_equal(np.isfinite(targets["chi2_dof_image"]), (targets["n_epochs"] > 1).any(axis=1))
    assert 0.9 < np.nanmedian(targets["chi2_dof_image"]) < 1.6  # the epochs' seeing differs


def test_flux_is_the_same_at_every_zoom(default):
    native = default[ml_image_data(0)][:].astype(np.float64)
    for zoom in range(N_ZOOMS):
        sums = default[ml_image_data(zoom)][:].astype(np.float64).sum(axis=(2, 3)) * 4**zoom
        np.testing.assert_allclose(sums, native.sum(axis=(2, 3)), rtol=1e-5, atol=1e-5 * np.nanmax(np.abs(native)))


def test_a_stack_above_the_threshold_is_refused_and_the_tables_say_so(out, default):
    before = default[TARGETS][:]
    most = float(np.nanmedian(np.concatenate([before["chi2_dof_image"], before["chi2_dof_spectrum"]])))
    with build(out, max_chi2_dof=most) as file:
        targets = file[TARGETS][:]
        for name in ("image", "spectrum"):
            np.testing.assert_array_equal(targets[f"chi2_dof_{name}"], before[f"chi2_dof_{name}"])
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(targets[f"refused_{name}"], before[f"chi2_dof_{name}"] > most)
            assert 0 < targets[f"refused_{name}"].sum() < len(targets)
        check_images(out, file, default, targets)
        check_spectra(file, default, targets)


def check_images(out, file, default, targets):
    with h5py.File(out / "sparse.h5") as sparse:
        noise = sparse[IMAGE_TABLE]["background_sigma"]
    for number, target in enumerate(targets):
        kept, linked = references(file, number), references(default, number)
        assert [len(band) for band in kept] == target["n_epochs"].tolist()
        if not target["refused_image"]:
            assert kept == linked
            np.testing.assert_array_equal(file[ml_image_data(0)][number], default[ml_image_data(0)][number])
            continue
        for band in range(len(BANDS)):
            (one,) = kept[band]
            assert noise[one["ds_slice_idx"]] == min(noise[other["ds_slice_idx"]] for other in linked[band])
            np.testing.assert_array_equal(file[ml_image_data(0)][number, band], window(out, one))
            errors = file[f"{ml_image_group(0)}/errors"][number, band]
            np.testing.assert_array_equal(errors, window(out, one, "errors"))
        flux, sigma = (file[name][number] for name in (ml_image_data(0), f"{ml_image_group(0)}/errors"))
        for zoom, (coarse, _) in enumerate(zoom_images(flux, sigma)):
            np.testing.assert_array_equal(file[ml_image_data(zoom)][number], coarse)
    headers = file[f"{ml_image_group(0)}/image_metadata_refs"]["ds_slice_idx"]
    windows = file[f"{ml_image_group(0)}/image_cutout_refs"]["ds_slice_idx"]
    np.testing.assert_array_equal(headers, windows)


def check_spectra(file, default, targets):
    rows = to_table(file[TARGET_SPECTRA][:])
    stacked = rows[rows["stacked"]].groupby("target_id")["spectrum"].agg(list)
    for number, target in enumerate(targets):
        refs = file[f"{ml_spectrum_group(0)}/spec_metadata_refs"][number]
        assert [one["ds_slice_idx"] for one in refs if one["ds_path"]] == stacked[number]
        assert target["n_spectra"] == len(stacked[number])
        if target["refused_spectrum"]:
            assert len(stacked[number]) == 1
            label = rows[(rows["target_id"] == number) & rows["stacked"]].iloc[0]
            assert (label["plate"], label["mjd"], label["fiber"]) == (target["plate"], target["mjd"], target["fiber"])
    assert len(rows) == len(default[TARGET_SPECTRA])


def test_spectra_of_other_fibres_are_stacked_where_asked_for(out, default):
    before = to_table(default[TARGET_SPECTRA][:])
    with build(out, mix_fibers=True) as file:
        rows, targets = to_table(file[TARGET_SPECTRA][:]), file[TARGETS][:]
    mixed = before.groupby("target_id")["fiber_arcsec"].nunique() > 1
    assert mixed.any()
    assert rows["stacked"].all()
    assert not before[before["target_id"].isin(mixed[mixed].index)]["stacked"].all()
    assert targets["n_spectra"].tolist() == rows.groupby("target_id").size().tolist()


def test_gaps_can_be_the_mean_of_what_was_measured(out, default):
    own_copy(out / "sparse.h5")
    with h5py.File(out / "sparse.h5", "r+") as sparse:  # a pixel of the first target in r, in no epoch
        for one in references(default, 0)[BANDS.index("r")]:
            _, frame, x_min, _, y_min, _ = one.tolist()
            for name in ("data", "errors"):
                sparse[f"semi_sparse_cube/0/images/{name}"][frame, x_min + 20, y_min + 21] = np.nan
    with build(out) as file:
        plain = [file[ml_image_data(zoom)][:] for zoom in range(N_ZOOMS)]
    with build(out, missing="measured") as file:
        for zoom in range(N_ZOOMS):
            filled = file[ml_image_data(zoom)][:]
            np.testing.assert_array_equal(filled[np.isfinite(plain[zoom])], plain[zoom][np.isfinite(plain[zoom])])
            place = 0, BANDS.index("r"), 20 >> zoom, 21 >> zoom
            assert np.isnan(plain[zoom][place])
            assert np.isnan(filled[place]) == (zoom == 0)


def test_bits_are_kept_as_asked_for_and_each_zoom_is_made_of_the_whole_numbers(out, default):
    with build(out, mantissa_bits=10) as file:
        for name in ARRAYS:
            np.testing.assert_array_equal(file[name][:], round_mantissa(default[name][:], 10))


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_compressed_arrays_hold_the_same_on_any_number_of_ranks(compression, out, default):
    plain = sum(default[name].id.get_storage_size() for name in ARRAYS)
    for ranks in (1, 2, 4):
        run(dense_line(ranks, Cube(compression=compression).for_build(), out))
        with h5py.File(out / "dense.h5") as file:
            assert {file[name].compression for name in ARRAYS} == {compression}
            assert all(file[name].shuffle for name in ARRAYS)
            same_arrays(file, default)
            assert sum(file[name].id.get_storage_size() for name in ARRAYS) < plain
        assert verify(out / "dense.h5")["rows"] > 0


def test_damaged_links_are_not_taken_for_a_full_disk(out):
    links = own_copy(out / "links.h5")
    with h5py.File(links) as file:
        place = file["semi_sparse_cube/0/spectra/image_cutouts_data"].id.get_chunk_info(0).byte_offset
    with links.open("r+b") as file:
        file.seek(place)
        file.write(bytes(60))
    with pytest.raises(HissError, match=r"links\.h5: cannot be read throughout .*; `snakemake verify_cube` says which"):
        build(out)
    assert not (out / "dense.h5").exists()


FAULT = """
import os, runpy, signal, sys
sys.path.insert(0, {scripts!r})
from hiss.cube import dense
true = dense.{place}
def replaced(*arguments, **named):
    if os.environ["OMPI_COMM_WORLD_RANK"] == "1":
        {act}
    return true(*arguments, **named)
dense.{place} = replaced
sys.argv[0] = {program!r}
runpy.run_path({program!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("place", "act"),
    [
        ("create_arrays", "raise RuntimeError('the wall')"),
        ("progress", "os.kill(os.getpid(), signal.SIGKILL)"),
    ],
)
def test_a_fault_on_one_rank_ends_all_and_the_next_run_succeeds(place, act, out, default):
    line = dense_line(2, Cube().for_build(), out)
    true = str(SCRIPTS / "build_dense.py")
    program = out / "program.py"
    program.write_text(FAULT.format(scripts=str(SCRIPTS), place=place, act=act, program=true))
    done = run([program if part == true else part for part in line], fails=True)
    assert ("signal 9" if "kill" in act else "the wall") in done.stderr
    assert not (out / "dense.h5").exists()
    assert not (out / "dense_rejects.parquet").exists()
    run(line)
    assert list(out.glob(".*.part")) == []
    with h5py.File(out / "dense.h5") as file:
        same_arrays(file, default)


def test_neither_the_batch_nor_what_is_read_at_once_changes_anything(out, default, monkeypatch):
    monkeypatch.setattr(dense, "BATCH", 3)
    monkeypatch.setattr(dense_stack, "_CUTOUTS", 15)
    with build(out) as file:
        same_arrays(file, default)
        for name in ("image_cutout_refs", "image_metadata_refs"):
            table = f"{ml_image_group(0)}/{name}"
            assert file[table][:].tobytes() == default[table][:].tobytes()


def test_the_labels_scatter_is_that_of_pairs_over_the_root_of_two():
    rng = np.random.default_rng(1)
    pairs = rng.normal(0, 1, (500, 1)) + rng.normal(0, 0.1, (500, 2))
    table = pd.DataFrame({"target_id": np.repeat(np.arange(500), 2), "avg": pairs.ravel()})
    scatter, n = label_scatter(table)
    assert scatter == pytest.approx(np.sqrt(np.mean(np.diff(pairs) ** 2) / 2))
    assert n == 500
    alone = pd.DataFrame({"target_id": [900, 901, 901, 902, 902], "avg": [1.0, 2.0, np.nan, -99.0, 1.0]})
    assert label_scatter(pd.concat([table, alone])) == (scatter, n)
    assert np.isnan(label_scatter(alone)[0])
    three = pd.DataFrame({"target_id": 0, "avg": [1.0, 2.0, 3.0]})
    assert label_scatter(three) == (pytest.approx(1.0), 2)
