"""What a cube keeps of a file's header and path: bounded, whole, and readable again, whatever the file says."""

import json

import h5py
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.cube.hdf5 import to_table
from hiss.cube.layout import METADATA_DTYPE
from hiss.cube.records import image_row, metadata_row, spectrum_row
from hiss.cube.wcs import wcs_of
from hiss.errors import BadInput
from hiss.sdss.frame import read_frame
from hiss.sdss.spectrum import read_spectrum

VALUES = st.text(max_size=200) | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=60), VALUES, max_size=200), st.sampled_from(["images", "spectra"]))
def test_a_header_comes_back_whole_or_says_that_it_is_cut(header, kind):
    header.pop("TRUNCATED", None)
    row = metadata_row(kind, "frame", header)
    stored = row["header"].item()
    assert len(stored) <= METADATA_DTYPE[kind]["header"].itemsize
    found = json.loads(stored)
    if len(json.dumps(header)) <= METADATA_DTYPE[kind]["header"].itemsize:
        assert found == header
    else:
        assert found.pop("TRUNCATED") is True
        assert list(found.items()) == list(header.items())[: len(found)]


def test_as_many_cards_are_kept_as_fit():
    header = {f"KEY{number}": "x" * 60 for number in range(1250)}  # 100 kB
    stored = metadata_row("spectra", "spec", header)["header"].item()
    room = METADATA_DTYPE["spectra"]["header"].itemsize
    assert room - len(json.dumps({"KEY100": "x" * 60})) < len(stored) <= room


@pytest.fixture(scope="module")
def spectrum_path(sdss_files):
    return next((sdss_files / "spectra").rglob("spec-0266-51602-0013.fits"))


def rewritten(path, folder, change):
    """A copy of a spectrum with another primary header."""
    copy = folder / path.name
    with fits.open(path) as hdus:
        change(hdus[0].header)
        hdus.writeto(copy)
    return copy


def test_a_spectrum_with_a_header_of_100_kb_is_read_and_bounded(spectrum_path, tmp_path):
    def lengthen(header):
        for number in range(1250):
            header[f"X{number}"] = "long " * 12
            header.add_comment("nothing")

    spectrum = read_spectrum(rewritten(spectrum_path, tmp_path, lengthen))
    row = metadata_row("spectra", spectrum.path.name, spectrum.header)
    assert json.loads(row["header"].item())["TRUNCATED"] is True
    assert json.loads(row["header"].item())["PLATEID"] == 266


@pytest.fixture(scope="module")
def odd_card(spectrum_path, tmp_path_factory):
    """Gives a spectrum whose primary header has so many odd bytes as the value of a card."""
    path = rewritten(
        spectrum_path, tmp_path_factory.mktemp("odd"), lambda header: header.set("ODDCARD", "ABCDEFGH", "a comment")
    )
    data = path.read_bytes()

    def write(value):
        assert len(value) == 8
        path.write_bytes(data.replace(b"ABCDEFGH", value, 1))
        return path

    return write


@pytest.mark.parametrize("value", [b'"\\{}[]<>', b"%s %n &&", b"${HOME}.", b"\\u0000\\n", b";DROP--x"])
def test_odd_characters_in_a_header_are_kept_as_they_are(odd_card, value):
    spectrum = read_spectrum(odd_card(value))
    header = json.loads(metadata_row("spectra", "spec", spectrum.header)["header"].item())
    assert header["PLATEID"] == 266
    assert header["ODDCARD"] == value.decode()


def test_bytes_that_a_header_must_not_have_set_the_file_aside(odd_card):
    path = odd_card(b"\x00\x01\x02\x7f\xff\xfe\x80\t")
    with pytest.raises(BadInput, match=f"^{path}: the file is corrupt"):
        read_spectrum(path)


def test_a_header_that_cannot_be_read_is_a_reject(spectrum_path, tmp_path):
    path = tmp_path / spectrum_path.name
    data = spectrum_path.read_bytes()
    for cut in (100, 2880, data.index(b"END  ")):
        path.write_bytes(data[:cut])
        with pytest.raises(BadInput, match=f"^{path}: "):
            read_spectrum(path)
    path.write_bytes(data.replace(b"END     ", b"GOES ON ", 1)[: 2880 * 3])
    with pytest.raises(BadInput, match=f"^{path}: "):
        read_spectrum(path)


def test_a_path_too_long_to_keep_is_a_reject_and_never_cut(spectrum_path):
    spectrum = read_spectrum(spectrum_path)
    fits_in = "ž" * 128
    assert spectrum_row(spectrum, fits_in)["path"].item().decode() == fits_in
    assert metadata_row("spectra", fits_in, {})["path"].item().decode() == fits_in
    for row in (spectrum_row, lambda _, path: metadata_row("images", path, {})):
        with pytest.raises(BadInput, match="257 bytes and 256 are kept; shorten"):
            row(spectrum, fits_in + "x")


def test_a_frame_s_path_too_long_is_a_reject(sdss_files):
    frame = read_frame(next((sdss_files / "images").rglob("frame-u-002820*")))
    wcs = wcs_of(frame.header, frame.path)
    assert image_row(frame, "a" * 256, wcs, 1.0)["path"].item() == b"a" * 256
    with pytest.raises(BadInput, match="shorten its folders"):
        image_row(frame, "a" * 257, wcs, 1.0)


def test_a_long_class_is_cut_between_characters(spectrum_path, tmp_path):
    from dataclasses import replace

    row = spectrum_row(replace(read_spectrum(spectrum_path), class_="é" * 20, subclass="x" + "é" * 40), "spec")
    assert row["class"].item().decode() == "é" * 8
    assert row["subclass"].item().decode() == "x" + "é" * 31
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["table"] = np.array([row])
        assert to_table(file["table"][:])["subclass"][0] == "x" + "é" * 31


def test_bytes_that_are_no_text_are_still_read():
    table = to_table(np.array([(b"\xff\xfeGALAXY",)], [("class", "S16")]))
    assert table["class"][0].endswith("GALAXY")
