"""The files of the simulated sky: same bytes for the same seed, and the formats of the real ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from scipy import ndimage

from hiss.errors import HissError
from hiss.files import sha256_of
from hiss.sdss.catalogue import read_sfr_catalogue
from hiss.sdss.frame import Frame, read_frame
from hiss.sdss.objid import unpack_objid
from hiss.sdss.spectrum import read_spectrum
from hiss.sky.frames import frame_path, write_frames
from hiss.sky.layout import place_objects
from hiss.sky.population import draw_galaxies
from hiss.sky.sky import simulate_sky
from hiss.sky.strips import plan_strips

SMALL = {"fields": 1, "n_galaxies": 14, "n_stars": 2, "n_quasars": 2}


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("sky")
    return folder, simulate_sky(folder, seed=5, processes=1, **SMALL)


@pytest.fixture(scope="module")
def frames(sky: tuple[Path, pd.DataFrame]) -> dict[tuple[int, str], Frame]:
    read = [read_frame(path) for path in sorted(sky[0].glob("images/**/*.bz2"))]
    return {(frame.run, frame.band): frame for frame in read}


def _hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def test_same_seed_same_bytes_on_any_number_of_processes(sky: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    folder, truth = sky
    stale = tmp_path / "spectra/0266/spec-0266-51602-0001.fits"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier sky")
    again = simulate_sky(tmp_path, seed=5, processes=2, **SMALL)
    pd.testing.assert_frame_equal(truth, again)
    assert _hashes(folder) == _hashes(tmp_path)


def test_another_seed_gives_another_population() -> None:
    one, two = (draw_galaxies(10, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(one["log_mass"], two["log_mass"])


def test_every_file_is_read_by_the_readers(
    sky: tuple[Path, pd.DataFrame], frames: dict[tuple[int, str], Frame]
) -> None:
    folder, truth = sky
    assert set(frames) == {(run, b) for run in (4203, 5823) for b in "ugriz"}
    spectra = [read_spectrum(path) for path in sorted(folder.glob("spectra/*/*.fits"))]
    assert len(spectra) == truth["n_spectra"].sum()
    assert {spectrum.class_ for spectrum in spectra} == {"GALAXY", "STAR", "QSO"}
    assert {spectrum.fiber_arcsec for spectrum in spectra} == {2.0, 3.0}
    distance = [np.hypot(s.ra - truth["ra"], s.dec - truth["dec"]).min() * 3600 for s in spectra]
    assert max(distance) < 0.01


def test_bands_are_read_in_the_order_of_the_drift(frames: dict[tuple[int, str], Frame]) -> None:
    first = {band: frames[4203, band] for band in "ugriz"}
    assert sorted(first, key=lambda band: first[band].tai) == list("riuzg")
    assert [first[band].header["FRAME"] - first[band].field for band in "riuzg"] == [0, 2, 4, 6, 8]
    assert first["i"].tai - first["r"].tai == pytest.approx(71.66, abs=0.05)


def _columns(rows: np.ndarray) -> dict[str, tuple]:
    return {name.upper(): (rows.dtype[name].base.kind, rows.dtype[name].shape) for name in rows.dtype.names}


def test_frames_have_the_format_of_real_ones(sky: tuple[Path, pd.DataFrame], sdss_files: Path) -> None:
    with (
        fits.open(sdss_files / "images/301/2820/3/frame-r-002820-3-0122.fits.bz2") as real,
        fits.open(sky[0] / frame_path(4203, 3, 121, "r")) as ours,
    ):
        assert len(real) == len(ours) == 4
        for index in (0, 1):
            assert real[index].data.shape == ours[index].data.shape
            assert real[index].data.dtype == ours[index].data.dtype
        for index in (2, 3):
            assert real[index].data.dtype == ours[index].data.dtype
        for key in ours[0].header:
            if key not in ("", "COMMENT"):
                assert type(ours[0].header[key]) is type(real[0].header[key]), key
        for name in ("XINTERP", "YINTERP"):
            np.testing.assert_array_equal(ours[2].data[name], real[2].data[name])


@pytest.mark.parametrize(
    ("real_name", "boss"), [("spec-3126-54804-0211.fits", False), ("spec-4238-55455-0037.fits", True)]
)
def test_spectra_have_the_format_of_real_ones(
    sky: tuple[Path, pd.DataFrame], sdss_files: Path, real_name: str, boss: bool
) -> None:
    path = next(p for p in sorted(sky[0].glob("spectra/*/*.fits")) if (int(p.name[5:9]) >= 3510) == boss)
    with fits.open(sdss_files / "spectra" / real_name) as real, fits.open(path) as ours:
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in real]
        assert ours[1].columns.names == real[1].columns.names
        assert ours[1].columns.formats == real[1].columns.formats
        assert ours[3].columns.formats == real[3].columns.formats
        of_real = _columns(np.array(real[2].data))
        for name, form in _columns(np.array(ours[2].data)).items():
            assert of_real[name] == form, name
        assert ("TAI" in ours[0].header) == ("TAI" in real[0].header) == (not boss)
        for key in ("PLUG_RA", "PLUG_DEC", "PLATEID", "MJD", "FIBERID", "COEFF0"):
            assert type(ours[0].header[key]) is type(real[0].header[key])
        step = np.diff(ours[1].data["loglam"])
        assert step.mean() == pytest.approx(1e-4, rel=1e-4)
        assert set(map(str.strip, ours[3].data["LINENAME"])) <= set(map(str.strip, real[3].data["LINENAME"]))
        object_id = ours[2].data["OBJID" if boss else "BESTOBJID"][0]
        assert unpack_objid(int(object_id)).run == 4203


def test_the_sky_holds_one_of_everything(sky: tuple[Path, pd.DataFrame]) -> None:
    _, truth = sky
    for flag in ("blend", "edge", "outside", "gap", "repeat", "boss"):
        assert truth[flag].sum() >= 1, flag
    assert truth.loc[truth["repeat"], "n_spectra"].min() == 2
    assert set(truth["kind"]) == {"galaxy", "star", "quasar"}


def test_the_catalogue_knows_every_placeholder(sky: tuple[Path, pd.DataFrame]) -> None:
    folder, truth = sky
    table = read_sfr_catalogue(
        folder / "catalogue/gal_info_dr7_v5_2.fit", folder / "catalogue/gal_totsfr_dr7_v5_2.fits"
    )
    assert table["avg"].isna().any()
    assert (table["avg"] == -99).any()
    assert (table.loc[table["avg"] == -99, "flag"] == 1).all()
    assert ((table["flag"] != 0) & (table["avg"] > -10)).any()
    assert (table["z_warning"] != 0).any()
    assert (table["mode"] == -1).any()
    assert ((table["p16"] == -99) & (table["avg"] > -10)).any()
    on_disk = {tuple(map(int, path.stem.split("-")[1:])) for path in folder.glob("spectra/*/*.fits")}
    keys = set(map(tuple, table[["plate", "mjd", "fiber"]].to_numpy()))
    assert keys - on_disk
    assert keys & on_disk
    valid = table[(table["avg"] > -10) & (table["flag"] == 0)]
    joined = valid.merge(truth, on=["plate", "mjd", "fiber"])
    assert np.abs(joined["avg"] - joined["log_sfr"]).max() < 0.8


def _cutout(frame: Frame, ra: float, dec: float) -> np.ndarray | None:
    """The 64 pixels around a position, None where they are not whole."""
    header = fits.Header({key: frame.header[key] for key in frame.header if key[:2] in ("CR", "CD", "CT", "CU")})
    x, y = (int(np.round(value)) for value in WCS(header).wcs_world2pix(ra, dec, 0))
    if min(x, y) < 32 or x + 32 > frame.image.shape[1] or y + 32 > frame.image.shape[0]:
        return None
    return frame.image[y - 32 : y + 32, x - 32 : x + 32]


def test_cutouts_are_whole_but_at_the_edge(
    sky: tuple[Path, pd.DataFrame], frames: dict[tuple[int, str], Frame]
) -> None:
    _, truth = sky
    targets = truth[truth["companion_of"] < 0]
    for band in "ugriz":
        whole = [_cutout(frames[4203, band], ra, dec) is not None for ra, dec in zip(targets["ra"], targets["dec"])]
        np.testing.assert_array_equal(whole, ~(targets["edge"] | targets["outside"]))
        for row in targets[targets["edge"]].itertuples():
            assert _cutout(frames[5823, band], row.ra, row.dec) is None


def test_blends_show_two_peaks_and_others_one(
    sky: tuple[Path, pd.DataFrame], frames: dict[tuple[int, str], Frame]
) -> None:
    _, truth = sky
    seen = 0
    for row in truth[~truth["edge"] & ~truth["outside"]].itertuples():
        cutout = _cutout(frames[4203, "r"], row.ra, row.dec)
        if cutout is None:
            continue
        scaled = (cutout - cutout.min()) / (cutout.max() - cutout.min())
        assert ndimage.label(scaled > 0.9)[1] == (2 if row.blend else 1), row.object
        seen += row.blend
    assert seen >= 1


def test_gaps_are_where_the_truth_says(sky: tuple[Path, pd.DataFrame]) -> None:
    folder, truth = sky
    for path in sorted(folder.glob("spectra/*/*.fits")):
        spectrum = read_spectrum(path)
        if spectrum.fiber_arcsec == 2.0:
            continue
        ends = 10 ** spectrum.loglam[0] > 3839.7 or 10 ** spectrum.loglam[-1] < 8914.6
        gap = bool((spectrum.ivar == 0).any() or ends)
        near = np.hypot(truth["ra"] - spectrum.ra, truth["dec"] - spectrum.dec).idxmin()
        assert gap <= truth.loc[near, "gap"]
    assert truth["gap"].any()


def test_too_many_objects_are_refused_with_the_remedy() -> None:
    rng = np.random.default_rng(0)
    crowd = draw_galaxies(450, rng).assign(kind="galaxy")
    with pytest.raises(HissError, match=r"raise sky\.simulated\.fields"):
        place_objects(crowd, plan_strips(1)[0], rng)


def test_neighbouring_fields_share_their_photons(tmp_path: Path) -> None:
    nothing = pd.DataFrame(
        {
            name: np.zeros(0)
            for name in ("ra", "dec", "r_bulge", "r_disk", "inclination", "angle", "flux_bulge_u", "flux_disk_u")
        }
    )
    strip = plan_strips(2)[0]
    one, two = (read_frame(path) for path in write_frames(tmp_path, strip, "u", nothing, np.random.SeedSequence(1)))
    # alike but for the tenth binary digit, to which frames are rounded
    np.testing.assert_allclose(one.image[1361:], two.image[:128], atol=1e-3)
    assert np.abs(one.image[1361:] - two.image[100:228]).max() > 0.1
    assert two.tai - one.tai == pytest.approx(35.82, abs=0.01)
