"""The baselines: what they promise, the physics of H-alpha, and runs like any other."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from small_sample import write_small_sample

from hiss.bands import PIXEL_SCALE
from hiss.errors import HissError
from hiss.files import read_json, read_table, write_json
from hiss.imports import modules_of
from hiss.models.base import Data
from hiss.models.baselines import HAlpha, aperture, asinh_magnitudes
from hiss.models.features import Sources, prepare_features
from hiss.models.halpha import LOG_SFR_OF_UNIT, aperture_words, dust, log_luminosity, luminosity_distance
from hiss.models.metrics import r2
from hiss.models.run import BASELINES, MODELS, make_model, model_type
from hiss.models.train import run_experiment
from hiss.models.trained import predict_rows

MODALITY = {"mean": "none", "magnitudes": "photo", "halpha": "lines"}
SETTINGS = {"mean": {}, "magnitudes": {"aperture_arcsec": 10.0}, "halpha": {"scale": "fitted"}}
SIDE = 16
FIBRE_SHARE = -0.4  # dex of the line that falls into the fibre


def galaxies(name: str, n: int, seed: int) -> Data:
    """Objects whose label each baseline can tell from what it looks at."""
    rng = np.random.default_rng(seed)
    label = rng.normal(0, 0.6, n)
    if name == "mean":
        return Data.from_arrays(extras=np.empty((n, 0), "f4"), target=label)
    if name == "magnitudes":
        axis = np.arange(SIDE) - (SIDE - 1) / 2
        profile = np.exp(-0.5 * np.hypot(*np.meshgrid(axis, axis)) ** 2 / 1.5**2)
        images = (10 ** (0.5 * label) * 10)[:, None, None, None] * profile * np.arange(1, 6)[:, None, None]
        return Data.from_arrays(images=(images + rng.normal(0, 0.05, images.shape)).astype("f4"), target=label)
    return Data.from_arrays(extras=lines(label, rng), target=label)


def lines(log_sfr, rng):
    """Redshifts and lines of galaxies of some rates: A(H-alpha) of 0.5 mag, every fifth without a detected line."""
    z = rng.uniform(0.02, 0.15, len(log_sfr))
    distance = FlatLambdaCDM(70, 0.3).luminosity_distance(z).to_value("cm")
    total = 10**log_sfr * 1.5 / 7.9e-42 / (4 * np.pi * distance**2) * 1e17
    h_alpha = total * 10**FIBRE_SHARE * 10 ** (-0.4 * 0.5)
    h_beta = h_alpha / 2.86 / 10 ** (0.4 * 0.5 * (4.60 - 3.33) / 3.33)
    faint = np.arange(len(log_sfr)) % 5 == 0
    noise = np.where(faint, h_alpha, 0.01 * h_beta)
    return np.stack([z, h_alpha, noise, h_beta, noise], axis=1).astype("f4")


def fitted(name: str, **settings):
    model = make_model(name, SETTINGS[name] | settings, MODALITY[name])
    model.fit(galaxies(name, 200, 1), galaxies(name, 60, 2))
    return model


# ---- what every model promises ----


@pytest.mark.parametrize("name", BASELINES)
def test_reloaded_baseline_predicts_the_same(name, tmp_path):
    model, data = fitted(name), galaxies(name, 30, 3)
    model.save(tmp_path)
    loaded = model_type(name).load(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == list(model.files) == ["model.json"]
    assert loaded.modality == MODALITY[name]
    assert vars(loaded).keys() == vars(model).keys()
    assert_array_equal(loaded.predict(data), model.predict(data))
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.json").read_bytes() == (tmp_path / "model.json").read_bytes()
    assert len(model.predict(data.take([]))) == 0


@pytest.mark.parametrize("name", BASELINES)
def test_a_prediction_does_not_depend_on_the_other_rows(name):
    model, data = fitted(name), galaxies(name, 50, 3)
    order = np.random.default_rng(0).permutation(50)
    assert_allclose(model.predict(data.take(order)), model.predict(data)[order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", BASELINES)
def test_out_of_fold_is_a_fit_without_the_fold(name):
    train = galaxies(name, 100, 4)
    fold = np.arange(100) % 4
    model = fitted(name)
    found = model.out_of_fold(train, fold)
    for label in range(4):
        other = make_model(name, SETTINGS[name], MODALITY[name])
        other.fit(train.take(np.flatnonzero(fold != label)), train)
        held_out = np.flatnonzero(fold == label)
        assert_allclose(found[held_out], other.predict(train.take(held_out)), rtol=0, atol=1e-12)
    # The label of an object does not touch its own prediction.
    spoilt = replace(train, target=np.where(fold == 2, 99.0, train.target))
    assert_array_equal(model.out_of_fold(spoilt, fold)[fold == 2], found[fold == 2])


@pytest.mark.parametrize("name", BASELINES)
def test_refuses_what_it_cannot_use(name, tmp_path):
    model = fitted(name)
    other = next(key for key in BASELINES if key != name)
    with pytest.raises(HissError, match=f"made for {MODALITY[name]} but given {MODALITY[other]} data"):
        model.predict(galaxies(other, 5, 1))
    with pytest.raises(HissError, match=f"{name}: no setting depth"):
        make_model(name, {"depth": 2}, MODALITY[name])
    with pytest.raises(HissError, match="fit or load"):
        make_model(name, {}, MODALITY[name]).predict(galaxies(name, 5, 1))
    write_json(tmp_path / "model.json", {"modality": "photo"})
    with pytest.raises(HissError, match="is no baseline of ours"):
        model_type(name).load(tmp_path)


def test_unknown_names_are_told():
    with pytest.raises(HissError, match="decision_tree, lightgbm, vggnet12, mean, magnitudes, halpha"):
        model_type("median")
    with pytest.raises(HissError, match="choose formula or fitted"):
        fitted("halpha", scale="guessed")
    assert set(MODALITY) == set(BASELINES)
    assert not set(BASELINES) & set(MODELS)


# ---- the mean ----


def test_the_mean_is_the_training_objects():
    train, data = galaxies("mean", 200, 1), galaxies("mean", 40, 2)
    model = make_model("mean", {}, "none")
    model.fit(train, data)
    assert_allclose(model.predict(data), train.target.mean(), rtol=0)
    assert r2(train.target, model.predict(train)) == pytest.approx(0, abs=1e-12)


# ---- five magnitudes ----


def test_aperture_has_its_area_at_every_zoom():
    for side in (64, 32, 16, 8):
        pixel = PIXEL_SCALE * 64 / side
        for diameter in (6.0, 12.0, 20.0):
            share = aperture(diameter, side)
            assert share.sum() * pixel**2 == pytest.approx(np.pi * diameter**2 / 4, rel=0.02)
            assert_allclose(share, share[::-1, ::-1].T, atol=1e-12)
    # A coarse cutout, of means over pixels, has the same light in it.
    assert_allclose(aperture(12.0, 8), aperture(12.0, 64).reshape(8, 8, 8, 8).mean(axis=(1, 3)), atol=0.05)


def test_asinh_magnitudes_are_logarithms_of_bright_and_lines_of_faint_fluxes():
    softening = np.array([0.5])
    bright = np.array([[1e3], [1e4]])
    assert_allclose(np.diff(asinh_magnitudes(bright, softening), axis=0), -2.5, atol=1e-6)
    assert_allclose(asinh_magnitudes(bright, softening), -2.5 * np.log10(bright), atol=1e-5)
    faint = asinh_magnitudes(np.array([[-0.01], [0.0], [0.01]]), softening)[:, 0]
    assert faint[0] - faint[1] == pytest.approx(faint[1] - faint[2])
    assert faint[0] - faint[1] == pytest.approx(2.5 / np.log(10) * 0.01 / (2 * 0.5), rel=1e-3)


def test_magnitudes_are_a_linear_regression():
    model, train, data = fitted("magnitudes"), galaxies("magnitudes", 200, 1), galaxies("magnitudes", 80, 5)
    assert r2(data.target, model.predict(data)) > 0.97

    def seen(objects):
        flux = (objects.images * aperture(10.0, SIDE)).sum(axis=(2, 3), dtype=float)
        return asinh_magnitudes(flux, np.array(model.learned["softening"]))

    judge = LinearRegression().fit(seen(train), train.target)
    assert_allclose(model.predict(data), judge.predict(seen(data)), atol=1e-6)


def test_softening_is_the_noise_of_the_training_cutouts():
    model = fitted("magnitudes")
    noise = 0.05 * np.sqrt((aperture(10.0, SIDE) ** 2).sum())
    assert_allclose(model.learned["softening"], 1.042 * noise, rtol=0.1)


def test_magnitudes_refuse_nan():
    data = galaxies("magnitudes", 5, 1)
    data.features[2, 7] = np.nan
    with pytest.raises(HissError, match="1 of 5 of the objects to predict have NaN"):
        fitted("magnitudes").predict(data)


# ---- the H-alpha luminosity ----


def test_distances_are_astropy_s():
    z = np.array([1e-3, 0.01, 0.05, 0.1, 0.3, 1.0, 3.0])
    assert_allclose(luminosity_distance(z), FlatLambdaCDM(70, 0.3).luminosity_distance(z).to_value("cm"), rtol=1e-9)


def test_dust_of_known_decrements():
    reddened = 2.86 * 10 ** (0.4 * (4.60 - 3.33) * np.array([0.0, 0.3, 1.0]))  # E(B-V) of 0, 0.3 and 1
    assert_allclose(dust(reddened, np.ones(3)), 3.33 * np.array([0.0, 0.3, 1.0]), atol=1e-12)
    assert dust(np.array([2.0]), np.array([1.0])) == 0  # bluer than case B: noise, not light added


def test_luminosity_by_hand():
    # 100e-17 erg/s/cm2 at z = 0.1, 460.3 Mpc away
    assert log_luminosity(np.array([100.0]), np.array([0.1]))[0] == pytest.approx(40.404, abs=2e-3)


def test_the_formula_tells_the_rate_in_the_fibre_and_the_fit_the_total():
    data = galaxies("halpha", 80, 6)
    seen = np.arange(80) % 5 != 0
    formula, fit = fitted("halpha", scale="formula"), fitted("halpha")
    assert_allclose(formula.predict(data)[seen], data.target[seen] + FIBRE_SHARE, atol=1e-4)
    assert_allclose(fit.predict(data)[seen], data.target[seen], atol=1e-3)
    assert (formula.learned["slope"], formula.learned["intercept"]) == (1.0, LOG_SFR_OF_UNIT)
    for model in (formula, fit):
        assert model.learned["aperture_offset"] == pytest.approx(-FIBRE_SHARE, abs=1e-4)
        assert model.learned["aperture_scatter"] == pytest.approx(0, abs=1e-4)


def test_undetected_lines_get_the_mean_of_their_kind():
    train, data = galaxies("halpha", 200, 1), galaxies("halpha", 20, 7)
    model = fitted("halpha")
    of_kind = train.target[np.arange(200) % 5 == 0].mean()
    assert model.learned["n_undetected"] == 40
    assert_allclose(model.predict(data)[::5], of_kind, rtol=1e-12)
    for column, value in ((0, np.nan), (0, -0.001), (1, np.nan), (1, -50.0), (2, np.nan), (2, 0.0)):
        lost = galaxies("halpha", 20, 7)
        lost.features[3, column] = value
        assert model.predict(lost)[3] == pytest.approx(of_kind)


def test_undetected_h_beta_gets_the_median_dust():
    model, data = fitted("halpha"), galaxies("halpha", 20, 7)
    assert model.learned["attenuation"] == pytest.approx(0.5, abs=1e-3)
    whole = model.predict(data)
    for column, value in ((3, np.nan), (3, -1.0), (4, np.nan), (4, 1e9)):
        lost = galaxies("halpha", 20, 7)
        lost.features[:, column] = value
        assert_allclose(model.predict(lost), whole, atol=1e-3)  # all have the same dust


def test_without_any_line_it_is_the_mean():
    train = galaxies("halpha", 40, 1)
    train.features[:, 1:] = np.nan
    for scale in ("formula", "fitted"):
        model = HAlpha("lines", scale=scale)
        model.fit(train, train)
        assert_allclose(model.predict(train), train.target.mean())
        assert "not known" in aperture_words(model.learned)


def test_what_the_fibre_costs_is_said(capsys):
    model = fitted("halpha")
    words = aperture_words(model.learned)
    assert "Of 160 training galaxies" in words
    assert "0.40 dex below the total rate" in words
    assert "about 40% of the star formation" in words
    assert words in capsys.readouterr().err


# ---- runs like any other ----


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_small_sample(tmp_path_factory.mktemp("sample"))


@pytest.mark.parametrize("name", BASELINES)
def test_a_run_writes_its_folder_and_predicts_later(sample, tmp_path, name):
    sources = Sources(sample / "zoom3.h5", objects=sample / "objects.parquet", lines=sample / "lines.parquet")
    split = read_table(sample / "split.parquet")
    features, folder = tmp_path / "features.h5", tmp_path / "run"
    prepare_features(sources, split, MODALITY[name], features, {})
    settings = {} if name != "halpha" else {"scale": "fitted"}
    run = {"model": name, "modality": MODALITY[name], "zoom": 3, "name": "default", "settings": settings, "seed": 1}
    metrics = run_experiment(model_type(name), features, run, folder, 1)
    files = {path.name for path in folder.iterdir()}
    assert files == {"metrics.json", "curve.csv", "validation.parquet", "out_of_fold.parquet", "model.json"}
    assert metrics == read_json(folder / "metrics.json") | {"provenance": metrics["provenance"]}
    assert list(read_table(folder / "curve.csv")) == ["fold", "r2", "mae", "rmse", "nmad"]
    assert len(metrics["cv"]["rmse"]) == 5
    predicted = read_table(folder / "validation.parquet")
    later = predict_rows(model_type(name), folder, sources, predicted["row"].to_numpy())
    assert_array_equal(later["prediction"], predicted["prediction"])
    held_out = read_table(folder / "out_of_fold.parquet")
    assert set(held_out["row"]) == set(split.loc[split["split"] == "train", "row"])


def test_a_baseline_s_job_knows_no_other_model():
    script = Path(__file__).parents[2] / "workflow" / "scripts" / "train_baseline.py"
    names = {path.name for path in modules_of(script)}
    assert "baselines.py" in names
    assert not names & {"tree.py", "lgbm.py", "vgg.py"}
    code = "import sys, hiss.models.baselines, hiss.models.train; print({'torch', 'lightgbm'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=script.parent, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "set()"
