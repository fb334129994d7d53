"""The public set's layout, read: bad rows are told by name, no path leaves the folder, and the counts add up."""

import re
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.archive_server import ArchiveServer, Fault

from hiss.config.scenes import VIDEO_PATTERN
from hiss.errors import BadInput, HissError
from hiss.scenes.fetch import fetch_scenes
from hiss.scenes.layout import N_MFCC, find_columns
from hiss.scenes.places import FolderPlace, ZipPlace, place_of, safe_path
from hiss.scenes.reading import REASONS, ledger, read_scenes
from hiss.scenes.simulate import simulate_scenes
from hiss.scenes.store import read_frame_table, read_rows, write_frames
from hiss.scenes.videos import moment_of
from hiss.sdss.fetch import Limits

HEADER = ["IMAGE", *(f"MFCC_{number}" for number in range(1, N_MFCC + 1)), "CLASS1", "CLASS2"]


def picture(colour, size=(64, 48), form="PNG") -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, format=form)
    return stream.getvalue()


def row(path, class1="OUTDOORS", class2="BEACH", **sound):
    values = {f"MFCC_{number}": float(number) for number in range(1, N_MFCC + 1)} | sound
    return {"IMAGE": path, **values, "CLASS1": class1, "CLASS2": class2}


@pytest.fixture
def small(tmp_path) -> Path:
    """Two videos of three frames, and nothing wrong."""
    rows = []
    for video, colour in (("beach1", (250, 240, 10)), ("river1", (10, 20, 200))):
        for frame in range(3):
            path = tmp_path / "images" / video / f"{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(colour))
            rows.append(row(f"images/{video}/{frame}.png", class2=video[:-1].upper()))
    pd.DataFrame(rows).to_csv(tmp_path / "dataset.csv", index=False)
    return tmp_path / "dataset.csv"


def read(csv, **options):
    return read_scenes(FolderPlace(csv), options.pop("side", 8), options.pop("pattern", VIDEO_PATTERN), **options)


def add(csv, *rows):
    pd.concat([pd.read_csv(csv), pd.DataFrame(list(rows))]).to_csv(csv, index=False)


def test_pictures_sound_and_labels_come_out_as_they_are(small):
    frames, rejects = read(small)
    assert rejects.empty
    assert frames.images.shape == (6, 3, 8, 8)
    assert (frames.images[0] == np.array([250, 240, 10])[:, None, None]).all()
    assert (frames.mfcc == np.arange(1, N_MFCC + 1)).all()
    assert list(frames.table["video"].unique()) == ["images/beach1", "images/river1"]
    assert list(frames.table["frame"]) == [0, 1, 2, 0, 1, 2]
    assert set(frames.table["class2"]) == {"BEACH", "RIVER"}


def test_columns_are_found_in_other_letters_and_another_order():
    shuffled = ["class2", *(f"mfcc {number}" for number in range(N_MFCC, 0, -1)), "Image_Path", "class1", "extra"]
    columns = find_columns(shuffled, "t.csv")
    assert columns.image == "Image_Path"
    assert columns.mfcc == [f"mfcc {number}" for number in range(1, N_MFCC + 1)]
    assert (columns.class1, columns.class2) == ("class1", "class2")


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ("IMAGE", "one column IMAGE"),
        ("MFCC_7", "104 columns MFCC_1 ... MFCC_104 \\(103 found\\)"),
        ("CLASS2", "one column CLASS2"),
    ],
)
def test_a_table_of_another_layout_is_told_what_it_lacks(without, sentence):
    with pytest.raises(HissError, match=sentence):
        find_columns([name for name in HEADER if name != without], "t.csv")


@pytest.mark.parametrize(
    "told", ["../secret.png", "/etc/passwd", "images/../../x.png", "C:\\x.png", "..\\x.png", "", " ", "a\0b.png"]
)
def test_a_path_that_leaves_the_folder_is_not_followed(told):
    with pytest.raises(BadInput):
        safe_path(told)


def test_a_path_is_told_with_slashes():
    assert safe_path(".\\images\\a.png") == "images/a.png"
    assert safe_path("./images//a.png") == "images/a.png"


def test_a_link_out_of_the_folder_is_not_followed(small, tmp_path):
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(picture((1, 2, 3)))
    (small.parent / "images/beach1/9.png").symlink_to(outside)
    add(small, row("images/beach1/9.png"))
    frames, rejects = read(small)
    assert len(frames.table) == 6
    assert rejects["reason"].str.contains("link leads out").all()
    assert len(rejects) == 1


def test_each_bad_row_is_told_with_its_file_and_the_rest_is_used(small):
    images = small.parent / "images"
    whole = picture((5, 5, 5), form="JPEG")
    (images / "beach1/10.png").write_bytes(picture((5, 5, 5), (200, 200))[:150])
    (images / "beach1/11.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "beach1/12.png").write_bytes(b"no picture at all")
    (images / "beach1/14.png").write_bytes(b"")
    bad = {
        "damaged": [row(f"images/beach1/{name}") for name in ("10.png", "11.jpg", "12.png", "14.png")],
        "missing": [row("images/beach1/13.png")],
        "outside": [row("../13.png"), row("/13.png"), row("")],
        "repeated": [row("images/beach1/0.png")],
        "no_label": [row("images/beach1/15.png", class2=""), row("images/beach1/16.png", class1=" ")],
        "bad_sound": [row("images/beach1/17.png", MFCC_3="x"), row("images/beach1/18.png", MFCC_104=1e39)],
        "no_video": [row("nonumber")],
    }
    assert set(bad) == set(REASONS)
    add(small, *(one for rows in bad.values() for one in rows))
    frames, rejects = read(small)
    assert len(frames.table) == 6
    assert rejects.groupby("kind").size().to_dict() == {kind: len(rows) for kind, rows in bad.items()}
    assert list(rejects["line"]) == sorted(rejects["line"])
    for told in rejects.to_dict("records"):
        assert Path(str(told["path"])).name in told["reason"] or not told["path"]
    accounts = ledger(6 + len(rejects), rejects, 6).set_index("kind")["frames"]
    assert accounts.drop("used").sum() == accounts["used"] == 6


def test_a_ledger_that_does_not_add_up_stops(small):
    _, rejects = read(small)
    with pytest.raises(HissError, match="do not add up"):
        ledger(7, rejects, 6)


def test_a_picture_that_claims_to_be_enormous_is_refused(small):
    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (small.parent / "images/beach1/20.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\0" * 100)
    add(small, row("images/beach1/20.png"))
    assert list(read(small)[1]["kind"]) == ["damaged"]


def test_nothing_to_use_stops_with_the_first_reason(small):
    for path in (small.parent / "images").rglob("*.png"):
        path.unlink()
    with pytest.raises(HissError, match=r"none of its 6 frames can be used; the first: images/beach1/0.png"):
        read(small)


def test_a_pattern_that_tells_no_videos_is_refused_with_examples(small):
    with pytest.raises(HissError, match=r"all 6 frames seem to be of one video \(images/beach1/0.png -> images"):
        read(small, pattern=r"^(?P<video>images)/")
    with pytest.raises(
        HissError, match=r"as if each were a video of its own; correct side_studies.scenes.video_pattern"
    ):
        read(small, pattern=r"^(?P<video>.*)$")


def test_frames_without_numbers_are_numbered_as_they_stand(small):
    frames, _ = read(small, pattern=r"images/(?P<video>\w+)/")
    assert list(frames.table["frame"]) == [0, 1, 2, 0, 1, 2]
    assert list(frames.table["video"].unique()) == ["beach1", "river1"]


def test_threads_change_nothing(small):
    one, four = read(small)[0], read(small, threads=4)[0]
    assert np.array_equal(one.images, four.images)
    pd.testing.assert_frame_equal(one.table, four.table)


def test_arrays_come_back_as_they_were_written(small, tmp_path):
    frames, _ = read(small)
    write_frames(tmp_path / "arrays.h5", frames, {})
    pd.testing.assert_frame_equal(read_frame_table(tmp_path / "arrays.h5"), frames.table, check_dtype=False)
    images, mfcc = read_rows(tmp_path / "arrays.h5", [4, 0, 4])
    assert np.array_equal(images, frames.images[[4, 0, 4]])
    assert np.array_equal(mfcc, frames.mfcc[[4, 0, 4]])
    assert read_rows(tmp_path / "arrays.h5", [1], images=False)[0] is None


def test_the_stand_in_has_the_layout_and_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        simulate_scenes(tmp_path / name, 1, 2, 3)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 1 + 8 * 2
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)
    assert list(pd.read_csv(tmp_path / "a/dataset.csv", nrows=0)) == HEADER
    frames, rejects = read(tmp_path / "a/dataset.csv")
    assert rejects.empty
    assert frames.table.groupby("class2")["class1"].nunique().eq(1).all()


# ---- the zip ----


def zipped(csv: Path, out: Path, root: str = "set/") -> Path:
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{root}readme.csv", "a,b\n1,2\n")
        archive.write(csv, f"{root}dataset.csv")
        for path in sorted((csv.parent / "images").rglob("*.png")):
            archive.write(path, f"{root}{path.relative_to(csv.parent)}")
        archive.writestr("../../escape.png", picture((9, 9, 9)))
    return out


def test_a_zip_is_read_where_it_is_and_writes_nothing(small, tmp_path):
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    path = zipped(small, folder / "scenes.zip")
    add(small, row("../../escape.png"))
    zipped(small, path)
    frames, rejects = read_scenes(place_of(str(path)), 8, VIDEO_PATTERN)
    assert len(frames.table) == 6
    assert list(rejects["kind"]) == ["outside"]
    assert [file.name for file in (tmp_path / "elsewhere").rglob("*") if file.is_file()] == ["scenes.zip"]


def test_a_damaged_member_is_a_row_and_a_damaged_zip_stops(small, tmp_path):
    path = zipped(small, tmp_path / "scenes.zip")
    data = bytearray(path.read_bytes())
    member = zipfile.ZipFile(path).getinfo("set/images/river1/1.png")
    data[member.header_offset + 30 + len(member.filename) + 60] ^= 0xFF  # a byte of the picture, not of its head
    path.write_bytes(bytes(data))
    frames, rejects = read_scenes(ZipPlace(path), 8, VIDEO_PATTERN)
    assert len(frames.table) == 5
    assert list(rejects["path"]) == ["images/river1/1.png"]
    path.write_bytes(b"<html>please sign in</html>")
    with pytest.raises(HissError, match="asks visitors to sign in"):
        ZipPlace(path)


def test_any_damaged_byte_of_a_packed_picture_is_a_row_and_never_a_crash(tmp_path):
    """In a deflated member zlib itself may find the fault, which is no error of the system."""
    data = picture((10, 200, 30), form="BMP")
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dataset.csv", header() + "\n")
        archive.writestr("a.bmp", data)
        start = archive.getinfo("a.bmp").header_offset + 35  # behind the member's head and its name
        size = archive.getinfo("a.bmp").compress_size
    whole, told = (tmp_path / "x.zip").read_bytes(), set()
    for place in range(start, start + size):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        (tmp_path / "y.zip").write_bytes(broken)
        got = outcome(tmp_path / "y.zip", "a.bmp")
        if isinstance(got, bytes):
            assert got == data, "only bits that pad the end may go unnoticed"
        else:
            assert "a.bmp: its bytes in the zip are damaged" in str(got)
            told.add(type(got.__context__))
    assert zlib.error in told


def outcome(path: Path, member: str) -> bytes | BadInput:
    try:
        return ZipPlace(path).read(member)
    except BadInput as error:
        return error


def header() -> str:
    return ",".join(["IMAGE", *(f"MFCC_{number}" for number in range(1, N_MFCC + 1)), "CLASS1", "CLASS2"])


def test_only_the_head_of_other_tables_in_a_zip_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"word" * 2**22)
        archive.writestr("b/dataset.csv", header() + "\n")
    largest = []
    parse = pd.read_csv
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hiss.scenes.places._HEADER", 1000)
        patch.setattr(pd, "read_csv", lambda data, **how: largest.append(len(data.getvalue())) or parse(data, **how))
        assert ZipPlace(tmp_path / "x.zip").table_name == "b/dataset.csv"
    assert max(largest) <= 2000


def test_a_picture_of_a_form_whose_reader_starts_a_program_is_none(small):
    stream = BytesIO()
    Image.new("RGB", (64, 48)).save(stream, format="EPS")
    place = next((small.parent / "images").rglob("*.png"))
    place.write_bytes(stream.getvalue())
    _, rejects = read(small)
    assert rejects["kind"].tolist() == ["damaged"]
    assert "is no picture" in rejects["reason"].iloc[0]


def test_a_number_of_many_digits_counts_no_frames_and_a_very_long_path_is_none():
    pattern = re.compile(VIDEO_PATTERN)
    assert moment_of("images/beach_20200101120000123456.png", pattern).frame is None
    assert moment_of("images/beach_12.png", pattern).frame == 12
    with pytest.raises(BadInput, match="a path of 5000 characters is none"):
        safe_path("_" * 5000)


def test_a_zip_without_a_table_of_frames_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("notes.csv", "a,b\n")
    with pytest.raises(HissError, match=r"no table of frames in this zip; notes\.csv"):
        ZipPlace(tmp_path / "x.zip")


QUICK = Limits(retries=2, timeout_s=2, backoff_s=0.01)


def test_a_broken_transfer_is_gone_on_with_and_what_is_there_is_not_asked_for(small, tmp_path):
    (tmp_path / "served").mkdir()
    path = zipped(small, tmp_path / "served/scenes.zip")
    with ArchiveServer(tmp_path / "served") as server:
        address = f"{server.url}/scenes.zip"
        server.faults["scenes.zip"] = [Fault(cut=400)]
        told = fetch_scenes(address, tmp_path / "got", None, QUICK)
        assert told["table"] == "set/dataset.csv"
        assert (tmp_path / "got" / told["zip"]).read_bytes() == path.read_bytes()
        assert [request.start for request in server.asked("scenes.zip")] == [0, 400]
        asked = len(server.requests)
        assert fetch_scenes(address, tmp_path / "got", told["sha256"], QUICK) == told
        assert len(server.requests) == asked


def test_another_file_than_its_hash_tells_is_refused(small, tmp_path):
    (tmp_path / "served").mkdir()
    zipped(small, tmp_path / "served/scenes.zip")
    with ArchiveServer(tmp_path / "served") as server:
        with pytest.raises(HissError, match="sha256"):
            fetch_scenes(f"{server.url}/scenes.zip", tmp_path / "got", "0" * 64, QUICK)
        with pytest.raises(HissError, match=r"absent\.zip.*source: local"):
            fetch_scenes(f"{server.url}/absent.zip", tmp_path / "got", None, QUICK)
    assert not list((tmp_path / "got").glob("*.zip"))
