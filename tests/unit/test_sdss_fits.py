"""The lean reading of headers, rows and images against astropy's own."""

import bz2
import errno
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.errors import BadInput, HissError
from hiss.sdss.fits import converted, first_hdus, open_fits, plain_header, read_image, read_rows
from hiss.sdss.frame import read_frame
from hiss.sdss.spectrum import read_spectrum

NUMPY = {"L": 1, "X": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16}


def as_astropy_reads(header):
    cards = {key: value for key, value in header.items() if key not in ("COMMENT", "HISTORY", "")}
    return {key: value for key, value in cards.items() if isinstance(value, str | int | float | bool)}


def test_headers_and_tables_of_real_spectra_are_what_astropy_reads(sdss_files):
    paths = [*sorted((sdss_files / "spectra").glob("spec-*.fits"))]
    for path in paths:
        with open_fits(path) as lean, fits.open(path) as true:
            hdus = first_hdus(lean, 12, path)
            assert len(hdus) == len(true)
            for ours, theirs in zip(hdus, true, strict=True):
                assert plain_header(ours, path) == as_astropy_reads(theirs.header)
                if isinstance(theirs, fits.BinTableHDU):
                    rows, expected = read_rows(ours, path), theirs.data.view(np.ndarray)
                    assert len(rows) == len(expected)
                    for name in expected.dtype.names:
                        np.testing.assert_array_equal(rows[name.upper()].ravel(), expected[name].ravel(), err_msg=name)


def test_of_the_columns_asked_for_those_that_are_there_are_given(sdss_files):
    path = sdss_files / "spectra" / "spec-0266-51602-0001.fits"
    with open_fits(path) as file, fits.open(path) as true:
        rows = read_rows(first_hdus(file, 3, path)[2], path, ("Z", "NO_SUCH", "CLASS"))
        assert set(rows.dtype.names) == {"Z", "CLASS"}
        assert rows["Z"][0] == true[2].data["Z"][0]
        assert rows["CLASS"][0].decode() == true[2].data["CLASS"][0]


CARDS = [
    ("TEXT", "it''s / quoted"),
    ("EMPTY", ""),
    ("SPACES", "  ahead"),
    ("COLON", "band: 3"),
    ("LONG", "x" * 150),
    ("HIERARCH a long key", 3),
    ("INTEGER", -12),
    ("FLOAT", 1.5e-300),
    ("TRUTH", True),
    ("NOTHING", None),
    ("COMPLEX", 1 + 2j),
]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card[0])
def test_cards_of_any_form_are_what_astropy_reads(tmp_path, card):
    path = tmp_path / "file.fits"
    header = fits.Header([("AHEAD", 1), card, ("COMMENT", "a comment"), ("BEHIND", "last")])
    fits.PrimaryHDU(header=header).writeto(path)
    with open_fits(path) as file, fits.open(path) as true:
        assert plain_header(first_hdus(file, 1, path)[0], path) == as_astropy_reads(true[0].header)


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), st.integers(), st.floats(-1e30, 1e30))
def test_values_survive_a_header(tmp_path_factory, text, whole, number):
    path = tmp_path_factory.mktemp("header") / "file.fits"
    fits.PrimaryHDU(header=fits.Header([("TEXT", text), ("WHOLE", whole), ("NUMBER", number)])).writeto(path)
    with open_fits(path) as file, fits.open(path) as true:
        assert plain_header(first_hdus(file, 1, path)[0], path) == as_astropy_reads(true[0].header)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(NUMPY)), st.integers(1, 9)), min_size=1, max_size=12))
def test_columns_of_any_form_lie_where_astropy_finds_them(tmp_path_factory, forms):
    path = tmp_path_factory.mktemp("table") / "file.fits"
    columns = [fits.Column(f"c{place}", f"{count}{code}") for place, (code, count) in enumerate([*forms, ("J", 1)])]
    fits.BinTableHDU.from_columns(columns, nrows=3).writeto(path)
    with fits.open(path) as true:
        start, size = true[1].fileinfo()["datLoc"], 3 * true[1].header["NAXIS1"]
    content = bytearray(path.read_bytes())
    content[start : start + size] = np.random.default_rng(len(forms)).bytes(size)
    path.write_bytes(content)
    with open_fits(path) as file, fits.open(path) as true:
        rows, expected = read_rows(first_hdus(file, 2, path)[1], path), true[1].data.view(np.ndarray)
        for name in rows.dtype.names:
            assert rows[name].tobytes() == expected[name.lower()].tobytes()


def test_a_table_whose_columns_do_not_fill_its_rows_is_corrupt(tmp_path):
    path = tmp_path / "file.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])]).writeto(
        path
    )
    content = path.read_bytes()
    path.write_bytes(content.replace(b"TFORM1  = 'J       '", b"TFORM1  = 'I       '"))
    with open_fits(path) as file, pytest.raises(BadInput, match="do not fill its rows"):
        read_rows(first_hdus(file, 2, path)[1], path)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u2"])
def test_images_of_any_type_are_float32(tmp_path, dtype):
    path = tmp_path / "file.fits"
    image = np.arange(12).reshape(3, 4).astype(dtype)
    fits.PrimaryHDU(image).writeto(path)
    for memmap in (True, False):
        with open_fits(path, memmap=memmap) as file:
            read = read_image(first_hdus(file, 1, path)[0], path)
            assert read.dtype.newbyteorder("=") == np.float32
            np.testing.assert_array_equal(read, image)


def test_a_frame_for_windows_is_a_view_of_the_file_with_the_same_values(sdss_files, tmp_path):
    packed = next((sdss_files / "images").rglob("frame-g-*.bz2"))
    plain = tmp_path / packed.stem
    plain.write_bytes(bz2.decompress(packed.read_bytes()))
    whole, view, unpacked = read_frame(plain), read_frame(plain, whole=False), read_frame(packed, whole=False)
    assert isinstance(view.image, np.memmap)
    assert whole.image.dtype == np.float32
    assert whole.image.flags.writeable
    for name in ("image", "calibration", "sky", "x_interp", "y_interp"):
        for other in (view, unpacked):
            np.testing.assert_array_equal(getattr(whole, name), getattr(other, name))
            assert getattr(other, name).dtype == np.float32 or name == "image"
    assert whole.header == view.header == unpacked.header


def fail_in(monkeypatch, place: str, error: Exception) -> None:
    """Let a step of reading a spectrum fail, as a disk or a machine makes it fail."""

    def trouble(*_, **__):
        raise error

    owner, name = {"opening": (Path, "open"), "parsing": (fits.HDUList, "__getitem__")}[place]
    monkeypatch.setattr(owner, name, trouble)


@pytest.mark.parametrize(
    "trouble",
    [*(OSError(number, os.strerror(number)) for number in (errno.EMFILE, errno.ENOMEM, errno.ESTALE)), MemoryError()],
    ids=repr,
)
@pytest.mark.parametrize("place", ["opening", "parsing"])
def test_a_good_file_is_not_set_aside_for_the_machine_s_trouble(trouble, place, sdss_files, monkeypatch):
    fail_in(monkeypatch, place, trouble)
    with pytest.raises(HissError, match="through no fault of the file") as error:
        read_spectrum(sdss_files / "spectra" / "spec-0266-51602-0001.fits")
    assert not isinstance(error.value, BadInput)


@pytest.mark.parametrize("place", ["opening", "parsing"])
def test_an_unreadable_file_is_set_aside(place, sdss_files, monkeypatch):
    fail_in(monkeypatch, place, OSError(errno.EIO, os.strerror(errno.EIO)))
    with pytest.raises(BadInput, match=r"cannot be read|corrupt"):
        read_spectrum(sdss_files / "spectra" / "spec-0266-51602-0001.fits")


@pytest.mark.parametrize("mistake", [TypeError, KeyError, ValueError])
def test_a_mistake_of_ours_sets_no_file_aside(mistake, sdss_files, monkeypatch):
    def wrong(*_):
        raise mistake("ours")

    monkeypatch.setattr("hiss.sdss.spectrum.fiber_diameter", wrong)
    with pytest.raises(mistake, match="ours"):
        read_spectrum(sdss_files / "spectra" / "spec-0266-51602-0001.fits")


@pytest.mark.parametrize(
    ("cells", "dtype"), [(b"NaN?", np.float64), (np.float32("nan"), np.int64), ([1e300], np.int32)]
)
def test_cells_that_do_not_fit_are_the_file_s_fault(cells, dtype):
    with pytest.raises(BadInput, match="the file is corrupt"):
        converted(cells, dtype, Path("spec.fits"))


def test_where_no_column_asked_for_is_there_none_is_given(sdss_files):
    path = sdss_files / "spectra" / "spec-0266-51602-0001.fits"
    with open_fits(path) as file:
        rows = read_rows(first_hdus(file, 3, path)[1], path, ("NO_SUCH",))
        assert not rows.dtype.names
        assert len(rows) > 3000
