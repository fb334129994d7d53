import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.errors import BadInput
from hiss.sdss.spectrum import parse_spectrum_name, read_spectrum

NAME = "spec-0266-51602-0001.fits"


def spectrum_hdus(n=50, header=None, loglam=None, keep=("COADD", "SPECOBJ", "SPZLINE"), objid="1237648720142401611"):
    primary = fits.PrimaryHDU()
    cards = {"PLUG_RA": 146.7, "PLUG_DEC": -1.04, "PLATEID": 266, "MJD": 51602, "FIBERID": 1, "TAI": 4.458e9}
    for key, value in (cards | (header or {})).items():
        primary.header[key] = value
    loglam = np.linspace(3.58, 3.96, n) if loglam is None else loglam
    coadd = [
        fits.Column("flux", "E", array=np.arange(n)),
        fits.Column("loglam", "E", array=loglam),
        fits.Column("ivar", "E", array=np.ones(n)),
        fits.Column("and_mask", "J", array=np.zeros(n)),
    ]
    row = [
        fits.Column("Z", "E", array=[0.02]),
        fits.Column("ZWARNING", "J", array=[4]),
        fits.Column("CLASS", "6A", array=["GALAXY"]),
        fits.Column("SUBCLASS", "21A", array=["STARFORMING"]),
        fits.Column("BESTOBJID", "19A", array=[objid]),
        fits.Column("OBJID", "5J", array=[[756, 1, 1, 206, 129]]),
        fits.Column("SN_MEDIAN_ALL", "E", array=[12.5]),
    ]
    lines = [
        fits.Column("LINENAME", "13A", array=["H_alpha"]),
        fits.Column("LINEAREA", "E", array=[100.0]),
        fits.Column("LINEAREA_ERR", "E", array=[2.0]),
    ]
    tables = {"COADD": coadd, "SPECOBJ": row, "SPZLINE": lines}
    return fits.HDUList(
        [primary, *(fits.BinTableHDU.from_columns(tables[name], name=name) for name in tables if name in keep)]
    )


def write(path, **changes):
    spectrum_hdus(**changes).writeto(path)
    return path


def test_real_spectra_are_what_astropy_reads(sdss_files):
    paths = sorted((sdss_files / "spectra").glob("spec-*.fits"))
    assert len(paths) == 17
    for path in paths:
        spectrum = read_spectrum(path)
        with fits.open(path) as hdus:
            boss = hdus[2].name == "SPALL"
            cards = {k: v for k, v in hdus[0].header.items() if k not in ("COMMENT", "HISTORY", "")}
            coadd, row = hdus[1].data, hdus[2].data[0]
            np.testing.assert_array_equal(spectrum.flux, coadd["flux"])
            np.testing.assert_array_equal(spectrum.loglam, coadd["loglam"].astype(np.float64))
            np.testing.assert_array_equal(spectrum.ivar, coadd["ivar"])
            np.testing.assert_array_equal(spectrum.and_mask, coadd["and_mask"])
            assert spectrum.class_ == row["CLASS"]
            assert spectrum.subclass == row["SUBCLASS"]
            assert spectrum.z == row["Z"]
            assert spectrum.objid == int(row["OBJID" if boss else "BESTOBJID"])
            lines = hdus[3].data
            assert spectrum.lines["H_alpha"][0] == lines["LINEAREA"][lines["LINENAME"] == "H_alpha"][0]
            assert len(spectrum.lines) == len(lines)
        assert spectrum.header == cards
        assert spectrum.fiber_arcsec == (2.0 if boss else 3.0)
        assert (spectrum.header["PLATEID"], spectrum.header["FIBERID"]) == (spectrum.plate, spectrum.fiber)
        assert spectrum.flux.dtype == np.float32
        assert spectrum.loglam.dtype == np.float64


def test_the_star_of_the_field(sdss_files):
    star = read_spectrum(sdss_files / "spectra/spec-3126-54804-0211.fits")
    boss = read_spectrum(sdss_files / "spectra/spec-7330-56684-0434.fits")
    assert star.objid == boss.objid == 1237666407922335825
    assert (star.ra, star.dec) == pytest.approx((38.3018, -0.1339), abs=1e-4)
    assert star.tai == 4735023411.27
    assert boss.tai == 56684 * 86400  # no TAI in a BOSS header


def test_parts_of_a_written_spectrum(tmp_path):
    spectrum = read_spectrum(write(tmp_path / NAME))
    assert (spectrum.zwarning, spectrum.sn_median, spectrum.objid) == (4, 12.5, 1237648720142401611)
    assert spectrum.lines == {"H_alpha": (100.0, 2.0)}


def test_an_object_without_photometry_has_objid_0(tmp_path):
    assert read_spectrum(write(tmp_path / NAME, objid="")).objid == 0


def test_no_lines_is_no_error(tmp_path):
    assert read_spectrum(write(tmp_path / NAME, keep=("COADD", "SPECOBJ"))).lines == {}


def test_names_of_spectra():
    assert parse_spectrum_name("x/spec-0266-51602-0001.fits") == (266, 51602, 1)
    assert parse_spectrum_name("spec-10000-57346-0999.fits.gz") == (10000, 57346, 999)
    for name in ("spec-266-51602-0001.fits", "spSpec-51602-0266-001.fit", "spec-0266-51602-0001.fits.part"):
        with pytest.raises(BadInput, match="not the name of a spectrum"):
            parse_spectrum_name(name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n": 0}, "spectrum of zero length"),
        ({"keep": ("SPECOBJ",)}, "has no COADD HDU"),
        ({"keep": ("COADD",)}, "has no SPECOBJ HDU"),
        ({"header": {"PLATEID": 267}}, "says PLATEID 267, the name 266"),
        ({"header": {"MJD": 51603}}, "says MJD 51603"),
        ({"header": {"FIBERID": 2}}, "says FIBERID 2"),
        ({"header": {"PLUG_RA": "unknown"}}, "PLUG_RA is no number"),
        ({"header": {"PLUG_DEC": 1e9}}, "PLUG_DEC 1e\\+09 is no declination"),
        ({"loglam": np.linspace(3.96, 3.58, 50)}, "wavelengths do not increase"),
        ({"loglam": np.full(50, np.nan)}, "wavelengths do not increase"),
        ({"objid": "9237648720142401611"}, "BESTOBJID 9237648720142401611 does not fit the 63 bits"),
    ],
)
def test_a_wrong_spectrum_says_what_is_wrong(tmp_path, changes, sentence):
    path = write(tmp_path / NAME, **changes)
    with pytest.raises(BadInput, match=sentence) as error:
        read_spectrum(path)
    assert str(path) in str(error.value)


def test_damaged_files_are_bad_input(tmp_path):
    path = tmp_path / NAME
    with pytest.raises(BadInput, match="missing"):
        read_spectrum(path)
    path.touch()
    with pytest.raises(BadInput, match="empty"):
        read_spectrum(path)
    whole = write(tmp_path / "whole.fits").read_bytes()
    for length in range(0, len(whole) - 2880, 1441):
        path.write_bytes(whole[:length])
        with pytest.raises(BadInput):
            read_spectrum(path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("spectrum") / NAME)
    return path, path.read_bytes()


@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_flipped_byte_never_escapes_as_another_error(written, place, byte):
    path, whole = written
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] = byte
    path.write_bytes(bytes(damaged))
    try:
        outcome = f"{len(read_spectrum(path).flux)} samples"
    except BadInput as error:
        outcome = str(error)
    assert str(path) in outcome or outcome.endswith(" samples")
