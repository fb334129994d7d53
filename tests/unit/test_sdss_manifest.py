import hashlib

import pandas as pd
import pytest

from hiss.errors import HissError
from hiss.files import read_table, write_table
from hiss.sdss.archive import describe_selection, frame_address, spectrum_address, spectrum_path
from hiss.sdss.manifest import COLUMNS, files_of, make_manifest

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


def test_one_frame_in_two_forms_is_one_frame(tmp_path, capsys):
    root = touch(tmp_path, f"{FRAME}.bz2", f"later/{FRAME}", f"{FRAME}.gz", SPECTRUM, "readme")
    manifest = make_manifest(root)
    assert manifest["path"].tolist() == [f"later/{FRAME}", SPECTRUM]
    said = capsys.readouterr().err
    assert f"{FRAME}.bz2: the same frame as later/{FRAME}" in said
    assert "1 other files" in said


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


def test_addresses_in_the_archive():
    assert frame_address("https://a/sas/", "dr17", 2820, 3, 122, "u") == (
        "https://a/sas/dr17/eboss/photoObj/frames/301/2820/3/frame-u-002820-3-0122.fits.bz2"
    )
    assert spectrum_address("https://a/sas", "dr17", 266, 51602, 1) == (
        "https://a/sas/dr17/sdss/spectro/redux/26/spectra/0266/spec-0266-51602-0001.fits"
    )
    assert spectrum_path(4238, 55455, 37).startswith("eboss/spectro/redux/v5_13_2/spectra/full/4238/spec-4238")
    assert "/104/" in spectrum_path(3126, 54804, 211, run2d="104")
    with pytest.raises(HissError, match="none of 26, 103, 104"):
        spectrum_path(3126, 54804, 211, run2d="27")


def test_the_archive_says_what_it_would_fetch():
    said = " ".join(describe_selection("stripe82", "dr17", "https://a/sas", "https://b", max_objects=1000))
    for part in ("RA 310 to 60 deg", "the first 1,000", "https://b/gal_info_dr7_v5_2.fit.gz", "5 frames", "run2d 26"):
        assert part in said
    box = {"ra_min": 38.0, "ra_max": 39.0, "dec_min": -1.0, "dec_max": 1.0}
    assert "RA 38 to 39 deg" in describe_selection(box, "dr17", "https://a", "https://b")[0]
    with pytest.raises(HissError, match="not known"):
        describe_selection("stripe83", "dr17", "https://a", "https://b")
