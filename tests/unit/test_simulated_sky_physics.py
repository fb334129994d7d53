"""The physics and the noise of the simulated sky, each against a number got in another way."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammainc, gammaincinv

from hiss.sdss.frame import read_frame
from hiss.sky.arrays import TO_FLUX, rebin_matrix, simulate_objects
from hiss.sky.camera import counts_variance, detector, observed_counts
from hiss.sky.frames import strip_image, write_frames
from hiss.sky.photometry import GRID, band_nanomaggies
from hiss.sky.population import draw_galaxies, draw_labels
from hiss.sky.profiles import Shape, double_gaussian, fibre_fractions, render, sersic_mixture
from hiss.sky.sed import continuum, fibre_shares, galaxy_nanomaggies, galaxy_spectra
from hiss.sky.spectrograph import expose
from hiss.sky.strips import plan_strips


@pytest.fixture(scope="module")
def galaxies() -> pd.DataFrame:
    return draw_galaxies(1500, np.random.default_rng(11))


def _distance_cm(z: float) -> float:
    """Luminosity distance of flat LCDM, h = 0.7, Omega_m = 0.3, by the trapezium rule."""
    steps = np.linspace(0, z, 2001)
    inverse = 1 / np.sqrt(0.3 * (1 + steps) ** 3 + 0.7)
    return (1 + z) * 299792.458 / 70 * float(np.trapezoid(inverse, steps)) * 3.0857e24


def test_halpha_of_a_clean_spectrum_gives_the_fibre_sfr(galaxies: pd.DataFrame) -> None:
    some = galaxies[~galaxies["quiescent"]].iloc[:25].assign(sigma_v=40.0)
    loglam = 3.56 + 1e-4 * np.arange(4200)
    wl = 10**loglam
    bulge, disk = continuum(some, wl)
    in_bulge, in_disk = fibre_shares(some, 3.0)
    lines = galaxy_spectra(some, loglam) - bulge * in_bulge[:, None] - disk * in_disk[:, None]
    for flux, galaxy in zip(lines, some.itertuples()):

        def line(rest: float, flux: np.ndarray = flux, z: float = galaxy.z) -> float:
            window = np.abs(wl / (1 + z) - rest) < 9.5
            return float((flux * np.gradient(wl))[window].sum()) * 1e-17

        halpha, hbeta = line(6564.61), line(4862.68)
        # Calzetti's curve at the two lines: k = 3.33 and 4.60
        ebv = 2.5 / (4.60 - 3.33) * np.log10(halpha / hbeta / 2.86)
        luminosity = 4 * np.pi * _distance_cm(galaxy.z) ** 2 * halpha * 10 ** (0.4 * 3.33 * ebv)
        assert ebv == pytest.approx(galaxy.ebv, abs=0.01)
        assert 7.9e-42 * luminosity / 1.5 == pytest.approx(10**galaxy.log_sfr_fiber, rel=0.02)


def test_population_is_that_of_a_magnitude_limited_survey(galaxies: pd.DataFrame) -> None:
    passive = galaxies["quiescent"]
    assert 0.3 < passive.mean() < 0.65
    assert galaxies["mag_r"].between(14.8, 17.7).all()
    assert galaxies["z"].between(0.02, 0.13).all()
    colour = galaxies["mag_g"] - galaxies["mag_r"]
    assert colour[passive].median() - colour[~passive].median() > 0.2
    assert (galaxies["log_sfr_fiber"] < galaxies["log_sfr"]).all()
    specific = galaxies["log_sfr"] - galaxies["log_mass"]
    assert specific[~passive].median() - specific[passive].median() > 1.2
    slope = np.polyfit(galaxies["log_mass"][~passive], galaxies["log_sfr"][~passive], 1)[0]
    assert 0.35 < slope < 0.85  # 0.7, less what the magnitude limit takes of faint slow formers
    assert (galaxies["log_sfr_fiber"] - galaxies["log_sfr"]).std() > 0.15  # the fibre's share varies


def test_labels_scatter_about_the_truth() -> None:
    rng = np.random.default_rng(3)
    passive = np.arange(6000) % 2 == 0
    truth = rng.normal(0, 1, 6000)
    labels = draw_labels(truth, passive, rng)
    error = labels["avg"] - truth
    assert error[~passive].std() == pytest.approx(0.10, rel=0.06)
    assert error[passive].std() == pytest.approx(0.15, rel=0.06)
    assert (labels["p2p5"] < labels["p16"]).all()
    assert (labels["p16"] < labels["avg"]).all()
    assert (labels["avg"] < labels["p84"]).all()
    width = (labels["p84"] - labels["p16"]) / 2
    assert width[passive].median() > 2 * width[~passive].median()


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_mixture_grows_as_sersic_says(index: float) -> None:
    share, variance = sersic_mixture(index)
    radius = np.array([0.1, 0.3, 1.0, 3.0])
    slope = gammaincinv(2 * index, 0.5)
    end = gammainc(2 * index, slope * 8 ** (1 / index))
    sersic = gammainc(2 * index, slope * radius ** (1 / index)) / end
    ours = (1 - np.exp(-0.5 * radius[:, None] ** 2 / variance)) @ share
    np.testing.assert_allclose(ours, sersic, atol=0.01)
    assert share.sum() == pytest.approx(1)


def test_fibre_share_agrees_with_the_picture_of_the_galaxy() -> None:
    """Light in a 3 arcsec circle of a finely drawn galaxy against the analytic share."""
    scale = 0.05  # arcsec a pixel
    shape = Shape(np.array([1.2]), np.array([3.5]), np.array([0.45]), np.array([0.7]))
    drawn = Shape(shape.r_bulge / scale, shape.r_disk / scale, shape.axis_ratio, shape.angle)
    seeing = double_gaussian(1.5 / scale)
    round_psf = type(seeing)(np.array([1.0, 0.0]), np.full(2, (1.5 / 2.3548 / scale) ** 2))
    bulge, disk = fibre_fractions(shape, 1.5, 1.5)
    size, centre = 120, np.array([59.5])
    y, x = np.mgrid[:size, :size] - 59.5
    inside = np.hypot(x, y) * scale < 1.5
    for flux, expected in (((1.0, 0.0), bulge), ((0.0, 1.0), disk)):
        stamp = render(np.array([flux[0]]), np.array([flux[1]]), drawn, (centre, centre), round_psf, size)[0]
        assert stamp[inside].sum() == pytest.approx(expected[0], rel=0.01)


def _alone(galaxy: pd.DataFrame) -> pd.DataFrame:
    strip = plan_strips(1)[0]
    ra, dec = strip.wcs("r").wcs_pix2world(700.3, 800.8, 0)
    bulge, disk = galaxy_nanomaggies(galaxy)
    return galaxy.assign(ra=float(ra), dec=float(dec), flux_bulge_r=bulge[:, 2], flux_disk_r=disk[:, 2])


def test_a_rendered_galaxy_has_its_magnitude(galaxies: pd.DataFrame) -> None:
    strip = plan_strips(1)[0]
    by_size = galaxies.sort_values("r_disk")
    for row in (0, 700, 1480):
        galaxy = _alone(by_size.iloc[[row]])
        image = strip_image(strip, "r", galaxy, double_gaussian(1.25 / 0.396))
        assert image.sum() == pytest.approx(10 ** (0.4 * (22.5 - galaxy["mag_r"].iloc[0])), rel=0.02)
        y, x = np.unravel_index(image.argmax(), image.shape)
        assert (x, y) == (700, 801)


def test_ab_magnitude_of_a_flat_source_is_zero_point() -> None:
    flat = 3.631e-29 * 2.99792458e18 / GRID**2 / 1e-17
    np.testing.assert_allclose(band_nanomaggies(flat[None]), 1.0, rtol=1e-9)


@pytest.mark.parametrize(("band", "gain", "dark"), [("u", 1.59, 8.7025), ("z", 4.885, 1.0)])
def test_blank_sky_has_the_variance_of_gain_dark_and_sky(tmp_path: Path, band: str, gain: float, dark: float) -> None:
    names = ["r_bulge", "r_disk", "inclination", "angle", "ra", "dec", f"flux_bulge_{band}", f"flux_disk_{band}"]
    nothing = pd.DataFrame({name: np.zeros(0) for name in names})
    paths = write_frames(tmp_path, plan_strips(1)[0], band, nothing, np.random.SeedSequence(8))
    frame = read_frame(paths[0])
    rows, columns = frame.y_interp.astype(int), np.clip(frame.x_interp, 0, 255).astype(int)
    sky = frame.sky[rows[:, None], columns]
    predicted = (sky / gain + dark) * frame.calibration**2
    pull = frame.image / np.sqrt(predicted)
    assert pull.std() == pytest.approx(1, abs=0.005)
    assert abs(pull.mean()) < 0.005


def test_gain_and_dark_change_with_the_run() -> None:
    assert detector(0, 2, 1050, 1.0).gain == 1.595
    assert detector(0, 2, 4203, 1.0).gain == 1.825
    assert detector(4, 4, 1400).dark_variance == 9.61
    assert detector(4, 4, 1600).dark_variance == 12.6025


def test_counts_scatter_as_their_variance_says() -> None:
    ccd = detector(2, 3, 4203)
    expected = np.full(200_000, 300.0, np.float32)
    counts = observed_counts(expected, ccd, np.random.default_rng(0))
    assert counts.mean() == pytest.approx(300, abs=0.1)
    assert counts.var() == pytest.approx(counts_variance(expected, ccd)[0], rel=0.02)


def test_ivar_of_spectra_is_true_on_and_off_the_sky_lines() -> None:
    loglam = 3.58 + 1e-4 * np.arange(3800)
    flux = np.full((200, 3800), 4.0)
    exposure = expose(flux, loglam, 3.0, np.ones(200), np.random.default_rng(1))
    pull = (exposure.flux - 4.0) * np.sqrt(exposure.ivar)
    line = np.abs(10**loglam - 5578.9) < 2
    assert pull.std() == pytest.approx(1, abs=0.03)  # 4 % of calibration on S/N of a few
    assert pull[:, line].std() == pytest.approx(1, abs=0.06)
    assert np.median(exposure.ivar[:, line]) < 0.1 * np.median(exposure.ivar)


def test_arrays_are_the_same_for_the_same_seed_and_consistent_between_zooms() -> None:
    one, two = (simulate_objects(40, seed=2, zooms=(0, 1, 3)) for _ in range(2))
    for zoom in (0, 1, 3):
        np.testing.assert_array_equal(one.images[zoom], two.images[zoom])
        np.testing.assert_array_equal(one.spectra[zoom], two.spectra[zoom])
        side = 64 >> zoom
        assert one.images[zoom].shape == one.image_sigma[zoom].shape == (40, 5, side, side)
        assert one.spectra[zoom].shape == (40, 4620 >> zoom) == one.spectrum_sigma[zoom].shape
        assert one.images[zoom].dtype == one.spectra[zoom].dtype == np.float32
        assert np.isfinite(one.spectra[zoom]).all()
        assert one.wl[zoom][[0, -1]].tolist() == [3839.7244, 8914.597]
    blocks = one.images[0].reshape(40, 5, 8, 8, 8, 8).mean(axis=(3, 5))
    np.testing.assert_allclose(one.images[3], blocks, rtol=1e-4, atol=1e-4)
    step = [one.wl[zoom][1] - one.wl[zoom][0] for zoom in (0, 3)]
    total = [one.spectra[zoom].sum(axis=1) * dl for zoom, dl in zip((0, 3), step)]
    np.testing.assert_allclose(total[0], total[1], rtol=5e-3)


@pytest.mark.parametrize("zoom", [0, 3])
def test_rebinning_keeps_the_flux_and_knows_its_noise(zoom: int) -> None:
    wl = np.linspace(3839.7244, 8914.597, 4620 >> zoom)
    rebin = rebin_matrix(wl)
    np.testing.assert_allclose(rebin.sum(axis=1), 1, rtol=1e-9)
    white = np.random.default_rng(0).standard_normal((rebin.shape[1], 400))
    sigma = np.sqrt(rebin.power(2).sum(axis=1))
    assert ((rebin @ white) / np.asarray(sigma).reshape(-1, 1)).std() == pytest.approx(1, abs=0.01)


def test_arrays_show_the_light_of_the_galaxy() -> None:
    made = simulate_objects(60, seed=4, zooms=(0,))
    compact = np.flatnonzero((made.truth["r_disk"] < 3) & (made.truth["r_bulge"] < 1.5))
    nanomaggies = made.images[0][compact, 2].sum(axis=(1, 2)) / TO_FLUX[2]
    expected = 10 ** (0.4 * (22.5 - made.truth["mag_r"].to_numpy()[compact]))
    ratio = nanomaggies / expected
    assert len(compact) > 5
    assert 0.93 < np.median(ratio) < 1.02  # the cutout misses the outermost wings
    assert np.corrcoef(made.avg, made.truth["log_sfr"])[0, 1] > 0.95
