"""A bad day at the input: bad files go to the rejects and the rest goes on; a failed assumption stops."""

import bz2
import io
import json
import shutil

import pandas as pd
import pytest
from astropy.io import fits

from .conftest import make_workspace

RESULTS = "results/broken"


@pytest.fixture(scope="module")
def raw(small, tmp_path_factory):
    """The small sky's raw files with three of them broken, each in its own way."""
    folder = tmp_path_factory.mktemp("raw") / "sky"
    shutil.copytree(small.folder / "results" / "small" / "sky" / "raw", folder)
    frames = sorted(folder.rglob("frame-*.fits.bz2"))
    spectra = sorted(folder.rglob("spec-*.fits"))

    truncated = frames[0]
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])

    no_sky = frames[1]
    with fits.open(io.BytesIO(bz2.decompress(no_sky.read_bytes()))) as hdus:
        stream = io.BytesIO()
        fits.HDUList([hdus[0], hdus[1]]).writeto(stream)
    no_sky.write_bytes(bz2.compress(stream.getvalue(), 1))

    empty = spectra[0]
    with fits.open(empty) as hdus:
        hdus[1].data = hdus[1].data[:0]
        hdus.writeto(empty, overwrite=True)
    return folder, {"truncated": truncated.name, "no_sky": no_sky.name, "empty": empty.name}


def config_of(workspace, folder):
    return workspace.write_config(
        "broken",
        {"results": RESULTS, "sky": {"source": "local", "local": {"path": str(folder)}}, "experiments": None},
    )


def test_bad_files_are_set_aside_and_the_ledger_adds_up(raw, tmp_path):
    folder, broken = raw
    workspace = make_workspace(tmp_path)
    workspace.run(config=config_of(workspace, folder))
    rejects = pd.read_parquet(workspace.folder / RESULTS / "cube" / "rejects.parquet")
    reason = {path.rsplit("/", 1)[-1]: text for path, text in zip(rejects.path, rejects.reason, strict=True)}
    assert "truncated" in reason[broken["truncated"]]
    assert "sky HDU" in reason[broken["no_sky"]]
    assert "zero length" in reason[broken["empty"]]
    accounts = json.loads((workspace.folder / RESULTS / "cube" / "accounts.json").read_text())
    assert accounts["frames"] == {"manifest": 10, "in_cube": 8, "rejected": 2}
    assert accounts["spectra"]["in_cube"] + accounts["spectra"]["rejected"] == accounts["spectra"]["manifest"]
    ledger = pd.read_csv(workspace.folder / RESULTS / "sample" / "flag0" / "ledger.csv").set_index("key")
    assert ledger.loc["on_disk", "count"] == accounts["spectra"]["manifest"]
    assert ledger.loc["in_cube", "removed"] == accounts["spectra"]["rejected"]
    assert (ledger["count"].diff().fillna(0) == -ledger["removed"]).all()
    manifest = pd.read_parquet(workspace.folder / RESULTS / "sky" / "manifest.parquet")
    frames_lost = rejects[(rejects.kind == "frame") & (rejects.stage == "sparse")]
    assert len(frames_lost) == 2
    assert (manifest.kind == "frame").sum() == 10
    assert (workspace.folder / RESULTS / "report" / "report.html").exists()


def test_catalogue_tables_of_unequal_length_stop_the_build_by_name(raw, tmp_path):
    folder, _ = raw
    other = tmp_path / "sky"
    shutil.copytree(folder, other)
    table = next(other.rglob("gal_totsfr_dr7_v5_2.fits"))
    with fits.open(table) as hdus:
        hdus[1].data = hdus[1].data[:-1]
        hdus.writeto(table, overwrite=True)
    workspace = make_workspace(tmp_path / "work")
    text = workspace.run(config=config_of(workspace, other), fails=True)
    assert "gal_info_dr7_v5_2.fit" in text
    assert "gal_totsfr_dr7_v5_2.fits" in text
    assert not (workspace.folder / RESULTS / "cube" / "sparse.h5").exists()


def test_an_empty_folder_says_what_was_looked_for(tmp_path):
    workspace = make_workspace(tmp_path / "work")
    empty = tmp_path / "nothing"
    empty.mkdir()
    text = workspace.run(config=config_of(workspace, empty), fails=True)
    assert str(empty) in text
    assert "gal_info" in text
