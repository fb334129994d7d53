"""Emission lines: of the survey's own fits, of a spectrum where there is no file, and what they tell of the SFR."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from hiss.errors import BadInput
from hiss.files import read_table
from hiss.models.base import Data
from hiss.models.baselines import HAlpha
from hiss.models.features import LINE_FEATURES
from hiss.sample.export import objects_table
from hiss.sample.line_fit import fit_lines
from hiss.sample.lines import LINE_UNITS, measure_lines
from hiss.sdss.spectrum import read_lines, read_spectrum
from hiss.sky.population import draw_galaxies
from hiss.sky.spectrum_files import spectrum_path, write_spectra

WL = np.arange(3839.7, 8915.0, 1.1)
REST = {"h_alpha": 6564.61, "h_beta": 4862.68}
KEY = ["plate", "mjd", "fiber"]


def spectrum(z, areas, rng=None, width=150.0, noise=1.0, absorbed=(0.0, 0.0)):
    """A flat spectrum of 20 with lines of such areas, [N II], and absorption of such equivalent widths."""
    flux = np.full(len(WL), 20.0)
    lines = [(REST[name], area) for name, area in areas.items()]
    lines += [(6549.86, 0.1 * areas["h_alpha"]), (6585.27, 0.3 * areas["h_alpha"])]
    for line, area in lines:
        sigma = line * (1 + z) * width / 299792.458
        flux += area * np.exp(-0.5 * ((WL - line * (1 + z)) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    for line, width_absorbed in zip(REST.values(), absorbed):
        sigma = 10 * (1 + z)
        depth = width_absorbed * (1 + z) * 20 / (sigma * np.sqrt(2 * np.pi))
        flux -= depth * np.exp(-0.5 * ((WL - line * (1 + z)) / sigma) ** 2)
    return flux + (0.0 if rng is None else rng.normal(0, noise, len(WL)))


@pytest.mark.parametrize("width", [80.0, 150.0, 300.0])
@pytest.mark.parametrize("z", [0.02, 0.1])
def test_a_fit_finds_the_areas_and_tells_their_errors(width, z):
    rng = np.random.default_rng(1)
    areas = {"h_alpha": 300.0, "h_beta": 80.0}
    sigma = np.full(len(WL), 1.0)
    stars = rng.normal((2, 3), (1, 2), (60, 2))  # as galaxies have them
    found = [fit_lines(WL, spectrum(z, areas, rng, width, absorbed=one), sigma, z) for one in stars]
    for name, area in areas.items():
        of_line, told = np.array([one[name] for one in found]).T
        assert of_line.mean() == pytest.approx(area, abs=0.5 * told.mean())
        # Errors are enlarged for pixels that samples share; these are each their own.
        assert 0.5 * told.mean() < of_line.std() < 1.2 * told.mean()


def test_no_line_is_found_where_there_is_none():
    rng = np.random.default_rng(2)
    nothing, sigma = {"h_alpha": 0.0, "h_beta": 0.0}, np.full(len(WL), 1.0)
    for _ in range(30):
        for area, error in fit_lines(WL, spectrum(0.07, nothing, rng, absorbed=(2, 3)), sigma, 0.07).values():
            assert abs(area) < 5 * error


def test_unknown_sigmas_are_taken_from_the_samples():
    areas = {"h_alpha": 300.0, "h_beta": 80.0}
    flux = spectrum(0.05, areas, np.random.default_rng(3), noise=2.0)
    known = fit_lines(WL, flux, np.full(len(WL), 2.0), 0.05)
    unknown = fit_lines(WL, flux, np.full(len(WL), np.nan), 0.05)
    for name in areas:
        assert unknown[name] == pytest.approx(known[name], rel=0.1)


@pytest.mark.parametrize("z", [0.5, 3.0, np.nan])
def test_a_line_out_of_range_is_nan(z):
    flux = spectrum(0.05, {"h_alpha": 300.0, "h_beta": 80.0})
    assert np.isnan(fit_lines(WL, flux, np.ones(len(WL)), z)["h_alpha"]).all()


def test_a_line_in_a_gap_is_nan_and_the_other_stays():
    flux = spectrum(0.05, {"h_alpha": 300.0, "h_beta": 80.0}, np.random.default_rng(4))
    flux[np.abs(WL - REST["h_alpha"] * 1.05) < 3] = np.nan
    found = fit_lines(WL, flux, np.ones(len(WL)), 0.05)
    assert np.isnan(found["h_alpha"]).all()
    assert found["h_beta"][0] == pytest.approx(80, rel=0.2)
    assert np.isnan(fit_lines(WL, np.full(len(WL), np.nan), np.full(len(WL), np.nan), 0.05)["h_beta"]).all()


def test_real_spectra_are_fitted_as_the_pipeline_fits_them(sdss_files):
    """The bright emission-line galaxies among the real files: both lines within 10 %."""
    compared = 0
    for path in sorted((sdss_files / "spectra").glob("spec-*.fits")):
        one = read_spectrum(path)
        told = {name: one.lines[line] for name, line in (("h_alpha", "H_alpha"), ("h_beta", "H_beta"))}
        if one.class_ != "GALAXY" or min(area / error for area, error in told.values()) < 20:
            continue
        good = one.ivar > 0
        flux, sigma = (
            np.interp(WL, 10 ** one.loglam[good], values[good].astype(float))
            for values in (one.flux, 1 / np.sqrt(np.where(good, one.ivar, 1)))
        )
        found = fit_lines(WL, flux, sigma, one.z)
        for name, (area, _) in told.items():
            assert found[name][0] == pytest.approx(area, rel=0.1), path.name
        compared += 1
    assert compared >= 5


def test_lines_alone_are_those_of_the_whole_spectrum(sdss_files):
    paths = sorted((sdss_files / "spectra").glob("spec-*.fits"))
    assert [read_lines(path) for path in paths] == [read_spectrum(path).lines for path in paths]
    with pytest.raises(BadInput, match="the file is missing"):
        read_lines(paths[0].with_name("spec-0001-50000-0001.fits"))


# ---- of the objects of a cube ----


@pytest.fixture(scope="module")
def dense(small_cube):
    return small_cube("full") / "dense.h5"


def of_files(small_sky, objects):
    """LINEAREA and its error of each object's own file, read by astropy."""
    for one in objects.itertuples():
        name = f"spec-{one.plate:04d}-{one.mjd}-{one.fiber:04d}.fits"
        with fits.open(small_sky / "raw" / "spectra" / f"{one.plate:04d}" / name) as hdus:
            table = hdus["SPZLINE"].data
            yield {row["LINENAME"].strip(): (row["LINEAREA"], row["LINEAREA_ERR"]) for row in table}


def test_lines_of_objects_are_those_of_their_labelled_spectrum(small_sky, dense):
    objects = objects_table(dense)
    lines = measure_lines(objects, read_table(small_sky / "manifest.parquet"), small_sky / "raw", dense)
    assert list(lines) == ["row", "z", "h_alpha", "h_alpha_sigma", "h_beta", "h_beta_sigma", "source"]
    assert set(LINE_UNITS) | set(LINE_FEATURES) <= set(lines)
    assert lines["row"].tolist() == objects["row"].tolist()
    assert lines["z"].tolist() == objects["z"].tolist()
    assert set(lines["source"]) == {"spzline"}
    for row, told in zip(lines.itertuples(), of_files(small_sky, objects), strict=True):
        assert (row.h_alpha, row.h_alpha_sigma) == told["H_alpha"]
        assert (row.h_beta, row.h_beta_sigma) == told["H_beta"]


def test_a_cube_without_raw_files_shows_its_lines_itself(small_sky, dense, tmp_path, capsys):
    objects, manifest = objects_table(dense), read_table(small_sky / "manifest.parquet")
    told = measure_lines(objects, manifest, small_sky / "raw", dense)
    found = measure_lines(objects, manifest, tmp_path, dense)
    said = capsys.readouterr().err
    assert f"{len(objects)} of {len(objects)} objects have the lines of their spectrum in the cube" in said
    assert "the raw file is not here" in said
    assert set(found["source"]) == {"cube"}
    strong = told["h_beta"] > 10 * told["h_beta_sigma"]
    assert strong.sum() >= 3
    for name in ("h_alpha", "h_beta"):
        ratio = found.loc[strong, name] / told.loc[strong, name]
        assert ratio.median() == pytest.approx(1, abs=0.1)
    # A cube made elsewhere may not even tell which files it was made of.
    nothing = measure_lines(objects, manifest[manifest["kind"] != "spectrum"], small_sky / "raw", dense)
    pd.testing.assert_frame_equal(nothing, found)


def test_a_damaged_file_and_one_without_the_table_are_told(small_sky, dense, tmp_path, capsys):
    objects, manifest = objects_table(dense), read_table(small_sky / "manifest.parquet")
    keys = objects[KEY].iloc[:3].merge(manifest[manifest["kind"] == "spectrum"], on=KEY)
    for path in keys["path"]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((small_sky / "raw" / path).read_bytes())
    (tmp_path / keys["path"][0]).write_bytes(b"SIMPLE")
    with fits.open(tmp_path / keys["path"][1]) as hdus:
        hdus[:3].writeto(tmp_path / "without.fits")
    (tmp_path / "without.fits").rename(tmp_path / keys["path"][1])
    lines = measure_lines(objects, manifest, tmp_path, dense)
    said = capsys.readouterr().err
    assert lines["source"].tolist() == ["cube", "cube", "spzline"] + ["cube"] * (len(objects) - 3)
    assert f"1 of {len(objects)} objects have the lines of their spectrum in the cube: the raw file cannot be" in said
    assert f"1 of {len(objects)} objects have the lines of their spectrum in the cube: the raw file lists no" in said


def test_lines_that_the_pipeline_did_not_measure_are_nan(small_sky, dense, tmp_path):
    objects, manifest = objects_table(dense).iloc[:1], read_table(small_sky / "manifest.parquet")
    path = objects[KEY].merge(manifest[manifest["kind"] == "spectrum"], on=KEY)["path"][0]
    (tmp_path / path).parent.mkdir(parents=True)
    with fits.open(small_sky / "raw" / path) as hdus:
        table = hdus["SPZLINE"].data
        table["LINEAREA_ERR"][table["LINENAME"] == "H_alpha"] = -2
        hdus.writeto(tmp_path / path)
    lines = measure_lines(objects, manifest, tmp_path, dense).iloc[0]
    assert np.isnan([lines["h_alpha"], lines["h_alpha_sigma"]]).all()
    assert lines["h_beta_sigma"] > 0
    assert lines["source"] == "spzline"


# ---- what the H-alpha baseline makes of them ----


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Files of the spectra of 90 simulated galaxies: their folder, their truth and the ids of their files."""

    folder = tmp_path_factory.mktemp("galaxies")
    galaxies = draw_galaxies(90, np.random.default_rng(9)).assign(kind="galaxy", ra=150.0, dec=2.0)
    constant = {"plate": 500, "mjd": 51994, "objid": 1, "z_err": 2e-5, "zwarning": 0, "gap": ""}
    ids = pd.DataFrame({"object": range(90), "fiber": range(1, 91), "z": galaxies["z"], "boss": False, "repeat": False})
    spectra = ids.assign(**constant)
    write_spectra(folder, spectra, galaxies, np.random.SeedSequence(3))
    return folder, galaxies, spectra


def test_halpha_recovers_the_rate_in_the_fibre_of_simulated_files(simulated):
    """Star-forming galaxies with both lines detected: residuals of known truth around 0, and 0 is far off the total."""
    folder, galaxies, ids = simulated
    objects = galaxies.assign(row=np.arange(len(galaxies)), target_id=-1, **{name: ids[name] for name in KEY})
    manifest = ids[KEY].assign(kind="spectrum", path=[spectrum_path(*key).as_posix() for key in ids[KEY].to_numpy()])
    lines = measure_lines(objects, manifest, folder, "there is no cube")
    assert set(lines["source"]) == {"spzline"}
    data = Data.from_arrays(extras=lines[list(LINE_FEATURES)].to_numpy("f4"), target=objects["log_sfr"])
    model = HAlpha("lines")
    model.fit(data, data)
    forming = ~objects["quiescent"].to_numpy(dtype=bool)
    both = (lines["h_beta"] > 3 * lines["h_beta_sigma"]).to_numpy() & forming
    assert both.sum() >= 15
    residual = (model.predict(data) - objects["log_sfr_fiber"].to_numpy(dtype=float))[both]
    assert abs(np.median(residual)) < 0.05
    assert 1.4826 * np.median(np.abs(residual - np.median(residual))) < 0.2
    # What the fibre does not see is what the baseline says it is.
    outside = (objects["log_sfr"] - objects["log_sfr_fiber"]).to_numpy(dtype=float)
    seen = (lines["h_alpha"] > 3 * lines["h_alpha_sigma"]).to_numpy()
    assert model.learned["aperture_offset"] == pytest.approx(np.median(outside[seen]), abs=0.1)
    assert model.learned["aperture_offset"] > 0.15
