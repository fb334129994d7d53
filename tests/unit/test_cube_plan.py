"""What is set aside and what is left out, on a cube of the real field: one file's damage, a target's, an epoch's."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from hiss.config.cube import Cube
from hiss.cube import sparse, sparse_frames, sparse_spectra
from hiss.cube.comm import Alone
from hiss.cube.dense_plan import plan_dense
from hiss.cube.layout import COVERAGE, SPECTRUM_TABLE
from hiss.cube.links import build_links
from hiss.cube.options import Options
from hiss.files import write_table
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.manifest import make_manifest

OPTIONS = Options.of(json.loads(Cube().for_build()))
PLATES = [3126, 3127, 7330]  # the star's three spectra, the first of highest S/N


@pytest.fixture(scope="module")
def inputs(sdss_files, tmp_path_factory):
    """The six real frames and the spectra of the star."""
    folder = tmp_path_factory.mktemp("inputs")
    manifest = make_manifest(sdss_files)
    write_table(folder / "manifest.parquet", manifest[manifest["band"].notna() | manifest["plate"].isin(PLATES)])
    tables = folder / "gal_info.fit", folder / "gal_totsfr.fits"
    write_sfr_catalogue(catalogue_from_csv(sdss_files / "labels" / "mpajhu_dr7_sfr_107rows.csv"), *tables)
    return sparse.SparseInputs(folder / "manifest.parquet", sdss_files, *tables)


def build(inputs, out):
    sparse.build_sparse(Alone(), inputs, OPTIONS, out / "sparse.h5", out / "rejects.parquet")
    return out


@pytest.fixture(scope="module")
def cube(inputs, tmp_path_factory):
    out = build(inputs, tmp_path_factory.mktemp("cube"))
    build_links(out / "sparse.h5", out / "links.h5", 8.4)
    return out


@pytest.mark.parametrize(("module", "what"), [(sparse_frames, "image_row"), (sparse_spectra, "spectrum_row")])
def test_a_mistake_of_ours_stops_the_build_and_is_blamed_on_no_file(inputs, tmp_path, monkeypatch, module, what):
    def wrong(*_):
        raise KeyError("ours")

    monkeypatch.setattr(module, what, wrong)
    with pytest.raises(KeyError, match="ours"):
        build(inputs, tmp_path)
    assert not list(tmp_path.iterdir())


def test_each_spectrum_of_a_rejected_target_has_its_own_reason(cube, tmp_path):
    with h5py.File(cube / "sparse.h5") as file:
        plates = file[SPECTRUM_TABLE]["plate"]
    links = shutil.copy(cube / "links.h5", tmp_path)
    with h5py.File(links, "r+") as file:
        coverage = file[COVERAGE][:]
        coverage[plates == 3126] = [2, 2, 1, 2, 2]  # the label
        coverage[plates == 7330] = 1
        file[COVERAGE][:] = coverage
    plan = plan_dense(cube / "sparse.h5", links, 1.5)
    reason = {Path(path).name.split("-")[1]: text for path, text in zip(plan.rejects["path"], plan.rejects["reason"])}
    assert len(plan.targets) == 0
    assert reason["3126"] == "cutout not whole in r"
    assert reason["3127"] == "its target's label spectrum: cutout not whole in r"
    assert reason["7330"] == "cutout not whole"


def test_a_turned_epoch_is_linked_and_not_stacked(cube):
    plan = plan_dense(cube / "sparse.h5", cube / "links.h5", 1.5)
    with h5py.File(cube / "links.h5") as file:
        references = file["semi_sparse_cube/0/spectra/image_cutouts_data"][plan.targets.label[:1]]
    kept = plan.epochs(0, references)
    assert kept.counts(1).tolist() == [[2, 1, 1, 1, 1]]
    second, turn = kept.frame[1], np.radians(1.0)
    wcs = plan.frames.wcs
    for axis in ("CD1", "CD2"):
        columns, rows = wcs[f"{axis}_1"][second], wcs[f"{axis}_2"][second]
        wcs[f"{axis}_1"][second] = columns * np.cos(turn) - rows * np.sin(turn)
        wcs[f"{axis}_2"][second] = columns * np.sin(turn) + rows * np.cos(turn)
    assert second not in plan.epochs(0, references).frame
