import bz2
import gzip
import hashlib

import pandas as pd
import pytest
from astropy.io import fits

from hiss.cube.rejects import merge_rejects
from hiss.errors import BadInput, HissError
from hiss.files import read_table, write_table
from hiss.sdss.header import read_cards
from hiss.sdss.manifest import COLUMNS, SET_ASIDE, files_of, make_manifest, survey_files

FRAME = "frame-u-002820-3-0122.fits"
SPECTRUM = "spec-0266-51602-0001.fits"


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def test_the_real_folder(sdss_files):
    manifest = make_manifest(sdss_files)
    assert manifest["kind"].value_counts().to_dict() == {"spectrum": 17, "frame": 6}
    assert manifest["path"].is_monotonic_increasing
    frame = files_of(manifest, "frame").iloc[-1]
    assert frame["path"] == "images/301/4948/3/frame-u-004948-3-0199.fits.bz2"
    assert (frame["run"], frame["camcol"], frame["field"], frame["band"]) == (4948, 3, 199, "u")
    assert pd.isna(frame["plate"])
    content = (sdss_files / frame["path"]).read_bytes()
    assert frame["sha256"] == hashlib.sha256(content).hexdigest()
    assert frame["size"] == len(content)


def test_columns_and_types_survive_parquet(tmp_path):
    root = touch(tmp_path / "sky", f"a/{FRAME}", SPECTRUM, "catalogue/gal_info_dr7_v5_2.fit.gz", "notes.txt")
    write_table(tmp_path / "manifest.parquet", make_manifest(root))
    table = read_table(tmp_path / "manifest.parquet")
    assert table.columns.tolist() == COLUMNS
    assert table["kind"].tolist() == ["frame", "gal_info", "spectrum"]
    assert str(table["run"].dtype) == "Int64"
    assert table["band"].isna().tolist() == [False, True, True]


def test_one_frame_in_two_forms_is_one_frame_and_the_others_are_told(tmp_path, capsys):
    root = touch(
        tmp_path, f"{FRAME}.bz2", f"later/{FRAME}", f"{FRAME}.gz", SPECTRUM, "spSpec-51602-0266-001.fit", "readme"
    )
    manifest, set_aside = survey_files(root)
    assert manifest["path"].tolist() == [f"later/{FRAME}", SPECTRUM]
    assert set_aside["path"].tolist() == [f"{FRAME}.bz2", f"{FRAME}.gz", "spSpec-51602-0266-001.fit"]
    assert set_aside["kind"].tolist() == ["copy", "copy", "other"]
    assert f"later/{FRAME}" in set_aside["reason"][0]
    assert "3 FITS files are not used" in capsys.readouterr().err


def test_a_form_too_small_to_be_whole_gives_way_to_a_larger_one(tmp_path):
    root = touch(tmp_path, FRAME, SPECTRUM)
    (root / f"{FRAME}.bz2").write_bytes(bytes(1_000_000))
    (root / f"{FRAME}.gz").write_bytes(bytes(999_999))
    (root / f"{SPECTRUM}.gz").write_bytes(bytes(2879))
    assert make_manifest(root)["path"].tolist() == [f"{FRAME}.bz2", f"{SPECTRUM}.gz"]
    (root / SPECTRUM).write_bytes(bytes(2880))
    assert make_manifest(root)["path"].tolist() == [f"{FRAME}.bz2", SPECTRUM]


@pytest.mark.parametrize(("there", "lacking"), [(FRAME, "no spectrum was found"), (SPECTRUM, "no frame was found")])
def test_a_folder_without_one_of_the_kinds_says_what_was_looked_for(tmp_path, there, lacking):
    with pytest.raises(HissError, match=lacking) as error:
        make_manifest(touch(tmp_path, there))
    assert str(tmp_path) in str(error.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(HissError, match="folder of raw files is missing"):
        make_manifest(tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_stays_in_the_manifest(tmp_path):
    root = touch(tmp_path, FRAME, SPECTRUM)
    (root / "spec-0266-51602-0002.fits").symlink_to(root / "gone")
    (root / "loop").symlink_to(root)
    manifest = make_manifest(root)
    assert manifest["sha256"].eq("").tolist() == [False, False, True]


def test_what_is_not_used_is_listed_with_its_reason(tmp_path):
    copies = [f"{FRAME}.bz2", f"{FRAME}.gz", f"copy/{SPECTRUM}"]
    strange = ["spSpec-51602-0266-001.fit", "fpC-002820-u3-0122.fit.gz", "mosaic.fits"]
    manifest, set_aside = survey_files(touch(tmp_path, FRAME, SPECTRUM, "notes.txt", *copies, *strange), threads=2)
    assert len(manifest) == 2
    assert set_aside.columns.tolist() == SET_ASIDE
    assert sorted([*manifest["path"], *set_aside["path"]]) == sorted([FRAME, SPECTRUM, *copies, *strange])
    reason = dict(zip(set_aside["path"], set_aside["reason"], strict=True))
    assert reason[f"{FRAME}.gz"] == f"the same frame as {manifest['path'][1]}, which is used in its place"
    assert "spec-*.fits of a later release" in reason[strange[0]]
    assert "data release 7" in reason[strange[1]]
    assert "no file of this workflow" in reason["mosaic.fits"]
    assert set_aside["kind"].value_counts().to_dict() == {"copy": 3, "other": 3}
    write_table(tmp_path / "set_aside.parquet", set_aside)
    empty = survey_files(touch(tmp_path / "clean", FRAME, SPECTRUM))[1]
    write_table(tmp_path / "none.parquet", empty)
    merged = merge_rejects([tmp_path / "none.parquet", tmp_path / "set_aside.parquet", tmp_path / "set_aside.parquet"])
    assert len(merged) == 6, "what two shards say twice is said once"


def test_a_spectrum_without_a_position_in_its_header_is_placed_by_its_table(sdss_files, tmp_path):
    source = next(sdss_files.rglob(SPECTRUM))
    with fits.open(source) as hdus:
        expected = (hdus[0].header["PLUG_RA"], hdus[0].header["PLUG_DEC"])
        for key in ("PLUG_RA", "PLUG_DEC"):
            del hdus[0].header[key]
        hdus.writeto(tmp_path / SPECTRUM)
    touch(tmp_path, FRAME, "spec-0266-51602-0002.fits")
    manifest = files_of(make_manifest(tmp_path), "spectrum")
    assert (manifest["ra"][0], manifest["dec"][0]) == pytest.approx(expected, abs=1e-6)
    assert manifest[["ra", "dec"]].iloc[1].isna().all()


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
def test_cards_are_read_without_the_rest_of_the_file(sdss_files, tmp_path, suffix):
    source = bz2.decompress(next(sdss_files.rglob("frame-u-002820*.bz2")).read_bytes())
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[suffix]
    path = tmp_path / f"{FRAME}{suffix}"
    path.write_bytes(pack(source[: 2880 * 20]))
    found = read_cards(path, ["CRVAL1", "CTYPE1", "NAXIS1", "NOSUCH"])
    assert found == {"CRVAL1": pytest.approx(38.32977), "CTYPE1": "RA---TAN", "NAXIS1": 2048}
    for content, wrong in (
        (source[:2879], "truncated"),
        (b"no FITS file" * 500, "not a FITS"),
        (source[:2880], "truncated"),
    ):
        path.write_bytes(pack(content))
        with pytest.raises(BadInput, match=wrong):
            read_cards(path, ["CRVAL1"])
    path.write_bytes(pack(source)[:2000])
    with pytest.raises(BadInput):
        read_cards(path, ["CRVAL1"])
    with pytest.raises(BadInput, match="missing"):
        read_cards(tmp_path / "gone.fits", ["CRVAL1"])
