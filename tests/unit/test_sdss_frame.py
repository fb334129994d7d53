import bz2
import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.bands import BANDS, FRAME_SHAPE
from hiss.errors import BadInput
from hiss.sdss.frame import parse_frame_name, read_frame

NAME = "frame-r-002820-3-0122.fits"


def frame_hdus(image=None, calibration=None, sky=None, header=None, n_hdus=3, x_last=255, y_last=191):
    image = np.ones(FRAME_SHAPE, dtype=np.float32) if image is None else image
    calibration = np.full(FRAME_SHAPE[1], 0.005, dtype=np.float32) if calibration is None else calibration
    sky = np.arange(192 * 256, dtype=np.float32).reshape(192, 256) if sky is None else sky
    primary = fits.PrimaryHDU(image)
    primary.header.update({"RUN": 2820, "CAMCOL": 3, "FRAME": 126, "FILTER": "r", "TAI": 4515371004.23})
    for key, value in (header or {}).items():
        primary.header[key] = value
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("ALLSKY", "49152E", dim="(256, 192)", array=sky[None]),
            fits.Column("XINTERP", "2048E", array=np.linspace(0, x_last, 2048)[None]),
            fits.Column("YINTERP", "1489E", array=np.linspace(0, y_last, 1489)[None]),
        ]
    )
    return fits.HDUList([primary, fits.ImageHDU(calibration), table][:n_hdus])


def write(path, hdus):
    hdus.writeto(path)
    return path


def test_real_frames_are_what_astropy_reads(sdss_files):
    path = sdss_files / "images/301/2820/3/frame-u-002820-3-0122.fits.bz2"
    frame = read_frame(path)
    with fits.open(io.BytesIO(bz2.decompress(path.read_bytes()))) as hdus:
        np.testing.assert_array_equal(frame.image, hdus[0].data)
        np.testing.assert_array_equal(frame.calibration, hdus[1].data.astype(np.float32))
        row = hdus[2].data[0]
        np.testing.assert_array_equal(frame.sky, row["ALLSKY"])
        np.testing.assert_array_equal(frame.x_interp, row["XINTERP"])
        np.testing.assert_array_equal(frame.y_interp, row["YINTERP"])
        cards = {k: v for k, v in hdus[0].header.items() if k not in ("COMMENT", "HISTORY", "")}
    assert frame.header == cards
    assert (frame.run, frame.camcol, frame.field, frame.band) == (2820, 3, 122, "u")
    assert frame.header["FRAME"] == 126  # not the field
    assert frame.tai == 4515371147.56
    assert frame.image.dtype == frame.sky.dtype == np.float32
    assert frame.image.dtype.isnative
    assert frame.image.shape == FRAME_SHAPE


def test_every_compression_gives_the_same_frame(tmp_path):
    plain = write(tmp_path / NAME, frame_hdus())
    for suffix, compress in ((".bz2", bz2.compress), (".gz", gzip.compress)):
        packed = tmp_path / f"{NAME}{suffix}"
        packed.write_bytes(compress(plain.read_bytes()))
        np.testing.assert_array_equal(read_frame(packed).image, read_frame(plain).image)


def test_a_header_without_tai_gives_nan(tmp_path):
    hdus = frame_hdus()
    del hdus[0].header["TAI"]
    assert np.isnan(read_frame(write(tmp_path / NAME, hdus)).tai)


@pytest.mark.parametrize("band", BANDS)
def test_names_of_frames(band):
    assert parse_frame_name(f"a/frame-{band}-002820-3-0122.fits.bz2") == (2820, 3, 122, band)


@pytest.mark.parametrize("name", ["frame-x-002820-3-0122.fits", "frame-r-2820-3-0122.fits", "x.fits", f"{NAME}.part"])
def test_other_names_are_bad_input(name):
    with pytest.raises(BadInput, match="not the name of a frame"):
        parse_frame_name(name)


def nan_image():
    return np.full(FRAME_SHAPE, np.nan, dtype=np.float32)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_hdus": 1}, "has no calibration HDU"),
        ({"n_hdus": 2}, "has no sky HDU"),
        ({"image": np.ones((10, 2048), dtype=np.float32)}, "image has shape"),
        ({"calibration": np.ones(7, dtype=np.float32)}, "calibration has shape"),
        ({"header": {"FILTER": "g"}}, "says FILTER g, the name r"),
        ({"header": {"RUN": 1}}, "says RUN 1, the name 2820"),
        ({"header": {"FILTER": "clear"}}, "names no SDSS band"),
        ({"image": nan_image()}, "every pixel of the image is NaN"),
        ({"calibration": np.zeros(2048, dtype=np.float32)}, "not positive"),
        ({"sky": np.full((192, 256), np.nan, dtype=np.float32)}, "sky is not finite in ALLSKY"),
        ({"x_last": np.nan}, "sky is not finite in XINTERP"),
        ({"y_last": np.nan}, "sky is not finite in YINTERP"),
    ],
)
def test_a_wrong_frame_says_what_is_wrong(tmp_path, changes, sentence):
    path = write(tmp_path / NAME, frame_hdus(**changes))
    with pytest.raises(BadInput, match=sentence) as error:
        read_frame(path)
    assert str(path) in str(error.value)


def test_damaged_files_are_bad_input(tmp_path):
    missing = tmp_path / NAME
    with pytest.raises(BadInput, match="missing"):
        read_frame(missing)
    missing.touch()
    with pytest.raises(BadInput, match="empty"):
        read_frame(missing)
    missing.write_bytes(b"<html>not found</html>" * 1000)
    with pytest.raises(BadInput, match="not a FITS file"):
        read_frame(missing)
    whole = write(tmp_path / "whole.fits", frame_hdus()).read_bytes()
    for length in (100, 2880, 100_000, len(whole) - 300_000):
        missing.write_bytes(whole[:length])
        with pytest.raises(BadInput, match=r"truncated|has no"):
            read_frame(missing)
    packed = bz2.compress(whole)
    path = tmp_path / f"{NAME}.bz2"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BadInput, match="truncated or corrupt"):
        read_frame(path)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    path.write_bytes(bytes(flipped))
    with pytest.raises(BadInput, match="truncated or corrupt"):
        read_frame(path)


@pytest.fixture(scope="module")
def whole_frame(tmp_path_factory):
    return write(tmp_path_factory.mktemp("frame") / NAME, frame_hdus())


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 2879), byte=st.integers(0, 255))
def test_a_flipped_byte_in_the_header_never_escapes_as_another_error(whole_frame, place, byte):
    original = whole_frame.read_bytes()[:2880]
    with whole_frame.open("r+b") as stream:
        stream.seek(place)
        stream.write(bytes([byte]))
    try:
        outcome = str(read_frame(whole_frame).image.shape)
    except BadInput as error:
        outcome = str(error)
    finally:
        with whole_frame.open("r+b") as stream:
            stream.write(original)
    assert str(whole_frame) in outcome or outcome == str(FRAME_SHAPE)
