"""Residuals and what they follow; calibration of intervals at every level."""

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from hiss.bands import BAND_WAVELENGTH
from hiss.errors import HissError
from hiss.evaluation.calibration import CALIBRATION_COLUMNS, LEVELS, by_run, calibration_table, ranks
from hiss.evaluation.conformal import half_width, widened, widening
from hiss.evaluation.intervals import resample_groups
from hiss.evaluation.residuals import (
    CONTINUOUS,
    RESIDUAL_COLUMNS,
    TREND_COLUMNS,
    best_run,
    residual_table,
    slope_with_interval,
    slope_words,
    trends,
)
from hiss.files import write_table
from hiss.names import by_place
from hiss.report.answers_diagnostics import calibration_sentences, residual_sentences
from hiss.sample.diagnostics import ab_magnitude, aperture_mask, measure_magnitudes, wavelength_table

N = 400
RUN = {"model": "lightgbm", "modality": "early", "zoom": 3}


@pytest.fixture(scope="module")
def tables():
    """Objects, tests and magnitudes whose residuals follow the redshift by -2 dex a unit, and nothing else."""
    rng = np.random.default_rng(1)
    z = rng.uniform(0.02, 0.2, N)
    truth = rng.normal(0, 0.6, N)
    row = np.arange(N)
    objects = pd.DataFrame(
        {
            "row": row, "target_id": 3 * row, "z": z, "p16": truth - 0.3, "p84": truth + 0.3,
            "sn_median": 10 ** rng.uniform(0, 1.5, N), "class": "GALAXY",
            "subclass": np.where(rng.random(N) < 0.5, "STARFORMING", ""), "n_spectra": 1 + row % 2,
            "n_epochs": [np.array([1, 1, 1 + place % 3, 1, 1]) for place in row],
        }
    )  # fmt: skip
    objects.loc[0, ["p16", "p84"]] = -99.0
    prediction = truth - 2 * (z - 0.11) + rng.normal(0, 0.1, N)
    tests = objects[["target_id", "row"]].assign(truth=truth, prediction=prediction, **RUN)
    other = tests.assign(model="decision_tree", prediction=0.0)
    magnitudes = pd.DataFrame({"row": row, "r": rng.uniform(14, 18, N)})
    return pd.concat([tests, other]), objects, magnitudes


def split_of(n=N):
    return pd.DataFrame({"row": np.arange(n), "group": np.arange(n) // 2})


def test_the_best_run_is_the_best_on_validation_and_no_baseline():
    metrics = pd.DataFrame(
        {"model": ["halpha", "lightgbm", "vggnet12"], "modality": ["lines", "late", "photo"], "zoom": [0, 1, 2],
         "validation_rmse": [0.1, 0.3, 0.2], "rmse": [0.1, 0.1, 0.9]}
    )  # fmt: skip
    assert best_run(metrics) == {"model": "vggnet12", "modality": "photo", "zoom": 2}
    with pytest.raises(HissError, match="no model of this study"):
        best_run(metrics.head(1))


def test_each_test_object_has_its_residual_and_what_is_known_of_it(tables):
    table = residual_table(*tables, RUN)
    assert list(table) == RESIDUAL_COLUMNS
    assert len(table) == N
    np.testing.assert_allclose(table["residual"], table["prediction"] - table["truth"])
    assert np.isnan(table["label_sigma"][0]), "a placeholder is no width"
    assert table["label_sigma"][1] == pytest.approx(0.3)
    assert set(table["n_images"]) == {1, 2, 3}
    assert set(table["kind"]) == {"GALAXY STARFORMING", "GALAXY"}


def test_the_slope_that_is_there_is_found_and_no_other(tables):
    found = trends(residual_table(*tables, RUN), split_of(), 300, 1)
    assert list(found) == TREND_COLUMNS
    slopes = found[found["part"] == "slope"].set_index("variable")
    assert set(slopes.index) == {variable.name for variable in CONTINUOUS}
    assert slopes.loc["redshift", "slope_low"] < -2 < slopes.loc["redshift", "slope_high"] < 0
    assert "a bias that a better model would not have" in slopes.loc["redshift", "words"]
    for name in ("r_magnitude", "signal_to_noise"):
        assert slopes.loc[name, "slope_low"] < 0 < slopes.loc[name, "slope_high"]
        assert "no slope is found" in slopes.loc[name, "words"]
    bins = found[(found["variable"] == "redshift") & (found["part"] == "bin")]
    assert bins["n"].sum() == N
    np.testing.assert_allclose(bins["median"], -2 * (bins["x_middle"] - 0.11), atol=0.06)
    assert ((bins["median_low"] <= bins["median"]) & (bins["median"] <= bins["median_high"])).all()
    assert (bins["p16"] < bins["median"]).all()
    classes = found[found["variable"] == "kind"]
    assert (classes["part"] == "category").all()
    assert classes["n"].sum() == N
    assert residual_sentences(found)[0].startswith("Against redshift the residuals have a slope of \u22121.85 dex for")
    assert residual_sentences(None) == []


def test_a_shrunken_prediction_slopes_against_the_truth_and_not_against_itself():
    rng = np.random.default_rng(2)
    n = 20_000
    signal, noise = rng.normal(0, 1, n), rng.normal(0, 0.5, n)
    truth, prediction = signal + noise, signal
    counts, index = resample_groups(np.arange(n), 200, 1)
    against_truth = slope_with_interval(truth, prediction - truth, counts, index)
    assert against_truth[0] == pytest.approx(-0.2, abs=0.01), "- noise^2 / (signal^2 + noise^2)"
    assert against_truth[2] < 0
    assert abs(slope_with_interval(prediction, prediction - truth, counts, index)[0]) < 0.01
    variable = next(one for one in CONTINUOUS if one.name == "truth")
    assert "as regression to the mean lets one expect" in slope_words(variable, *against_truth, "early")
    assert "too few objects" in slope_words(variable, -1.0, np.nan, np.nan, "early")


@pytest.mark.parametrize(
    ("modality", "seen"),
    [
        ("photo", {"r_magnitude", "prediction"}),
        ("photo_z", {"r_magnitude", "prediction", "redshift"}),
        ("spectra", {"redshift", "signal_to_noise", "prediction"}),
        ("early", {"redshift", "r_magnitude", "signal_to_noise", "prediction"}),
        ("stacked", {"redshift", "r_magnitude", "signal_to_noise", "prediction"}),
    ],
)
def test_a_slope_is_a_bias_only_of_what_the_run_sees(modality, seen):
    for variable in CONTINUOUS:
        said = slope_words(variable, 1.0, 0.5, 1.5, modality)
        assert ("a bias that a better model would not have" in said) == (variable.name in seen)
        assert ("a slope of what this run does not see" in said) == (variable.name not in {*seen, "truth"})
        assert "dex for a " in said, "the unit has its article"


def test_the_interval_of_a_slope_holds_the_true_one_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for trial in range(200):
        group = np.arange(120) // 2
        x = rng.normal(size=120)
        y = 0.4 * x + np.repeat(rng.normal(0, 0.3, 60), 2) + rng.normal(0, 0.3, 120)
        counts, index = resample_groups(group, 200, trial)
        _, low, high = slope_with_interval(x, y, counts, index)
        held += low <= 0.4 <= high
    assert 0.87 <= held / 200 <= 0.99


def test_what_is_the_same_for_all_has_no_trend(tables):
    tests, objects, magnitudes = tables
    found = trends(residual_table(tests, objects.assign(z=0.1), magnitudes.assign(r=np.nan), RUN), split_of(), 50, 1)
    assert not {"redshift", "r_magnitude"} & set(found["variable"])


# ---- magnitudes ----


def test_a_flat_spectrum_of_17_mag_has_17_mag_in_every_band():
    flux = 3.631e-20 * 10 ** (-0.4 * 17) * 2.99792458e18 / BAND_WAVELENGTH**2 / 1e-17
    for one, wavelength in zip(flux, BAND_WAVELENGTH, strict=True):
        assert ab_magnitude(np.array([one]), wavelength)[0] == pytest.approx(17, abs=1e-9)
    assert np.isnan(ab_magnitude(np.array([0.0, -1.0]), 6166.0)).all()


def test_magnitudes_are_those_of_nanomaggies_at_any_zoom(tmp_path):
    from hiss.cube.photometry import flux_per_nanomaggy

    y, x = np.mgrid[:64, :64] - 31.5
    native = 100 * np.exp(-0.5 * (x**2 + y**2) / 3**2) / (2 * np.pi * 3**2)  # nanomaggies, 100 in all: 17.5 mag
    for zoom in (0, 2):
        side = 64 >> zoom
        coarse = native.reshape(side, 64 // side, side, 64 // side).mean(axis=(1, 3))
        for fiber in (3.0, None):
            images = np.stack([coarse * flux_per_nanomaggy(band, fiber) for band in "ugriz"])[None]
            with h5py.File(tmp_path / f"zoom{zoom}.h5", "w") as file:
                file["images"], file["target_id"] = images.astype("f4"), np.array([5])
                file["wl"] = np.linspace(3800, 9200, 4620 >> zoom)
            found = measure_magnitudes(tmp_path / f"zoom{zoom}.h5", fiber)
            np.testing.assert_allclose(found[list("ugriz")], 17.5, atol=0.02)
    assert aperture_mask(64).sum() * 0.396**2 == pytest.approx(np.pi * 6**2, rel=0.01)
    wavelengths = wavelength_table([tmp_path / "zoom0.h5", tmp_path / "zoom2.h5"])
    assert wavelengths.groupby("zoom").size().to_dict() == {0: 4620, 2: 1155}
    assert wavelengths["wavelength"].max() == 9200


# ---- calibration ----


def calibration_study(folder, n_train, n_test, rng, factor=1.0, offset=0.0, level=0.9):
    """Residuals of one normal distribution in training, of another where told so in the test set."""
    n = n_train + n_test
    split = pd.DataFrame({"row": np.arange(n), "group": np.arange(n), "split": ["train"] * n_train + ["test"] * n_test})
    truth = rng.normal(size=n)
    error = rng.normal(0, 0.3, n)
    error[n_train:] = factor * error[n_train:] + offset
    table = pd.DataFrame({"row": np.arange(n), "target_id": np.arange(n), "truth": truth, "prediction": truth - error})
    held = table.head(n_train)
    low_high = {"low": table["prediction"] - 0.4, "high": table["prediction"] + 0.4}
    write_table(folder / "out_of_fold/lightgbm/early/zoom3.parquet", held)
    ends = table.assign(**low_high).head(n_train)
    write_table(folder / "quantiles/early/zoom3/out_of_fold.parquet", ends)
    test = table.tail(n_test).assign(**RUN, method="quantiles", half_width=half_width(held, split, level))
    by = widening(ends, split, level)
    test["low"], test["high"] = widened(test["prediction"] - 0.4, test["prediction"] + 0.4, by)
    metrics = pd.DataFrame([RUN | {"validation_rmse": 0.3}])
    return test, metrics, split


def calibrated(folder, *study, level=0.9):
    out_of_fold = by_run([folder / "out_of_fold/lightgbm/early/zoom3.parquet"])
    quantiles = by_place([folder / "quantiles/early/zoom3/out_of_fold.parquet"])
    return calibration_table(*study, out_of_fold, quantiles, level)


def test_intervals_of_one_distribution_hold_what_each_level_says(tmp_path):
    study = calibration_study(tmp_path, 3000, 3000, np.random.default_rng(1))
    table = calibrated(tmp_path, *study)
    assert list(table) == CALIBRATION_COLUMNS
    covered = table[table["part"] == "coverage"]
    for method in ("residuals", "quantiles"):
        own = covered[covered["method"] == method]
        assert tuple(own["level"]) == LEVELS
        assert np.abs(own["coverage"] - own["level"]).max() < 0.035
        assert np.diff(own["coverage"]).min() >= 0
    given = study[0]
    within = ((given["low"] <= given["truth"]) & (given["truth"] <= given["high"])).mean()
    at = covered[(covered["method"] == "quantiles") & (covered["level"] == 0.9)]["coverage"].item()
    assert at == pytest.approx(within), "the level that was asked for is that of the test's own intervals"
    rank = table[table["part"] == "rank"]
    assert rank["coverage"].sum() == pytest.approx(1)
    assert rank["coverage"].between(rank["expected_low"], rank["expected_high"]).sum() >= 8
    assert len(calibration_sentences(table)) == 2


def test_intervals_that_are_too_narrow_or_off_are_told(tmp_path):
    table = calibrated(tmp_path, *calibration_study(tmp_path, 2000, 1000, np.random.default_rng(2), factor=2.0))
    covered = table[(table["part"] == "coverage") & (table["method"] == "residuals")]
    assert (covered["high"] < covered["level"])[2:].all()
    expected = 2 * norm.cdf(norm.ppf(0.75) / 2) - 1
    assert covered.loc[covered["level"] == 0.5, "coverage"].item() == pytest.approx(expected, abs=0.04)
    rank = table[table["part"] == "rank"]["coverage"].to_numpy()
    assert rank[[0, -1]].min() > 0.15 > rank[4:6].max(), "hollow"
    assert "at 19 of 19 levels the coverage differs" in " ".join(calibration_sentences(table))
    table = calibrated(tmp_path, *calibration_study(tmp_path, 2000, 1000, np.random.default_rng(2), offset=0.3))
    rank = table[table["part"] == "rank"]["coverage"].to_numpy()
    assert rank[-3:].sum() > 2 * rank[:3].sum(), "a slope"


def test_whose_predictions_a_file_holds_is_told_by_its_folder():
    paths = [
        "zoom_study/evaluation/out_of_fold/lightgbm/early/zoom3.parquet",
        "results/zoom9/runs/sfr/flag0/vggnet12/stacked/zoom2/ridge/out_of_fold.parquet",
        "zoom_study/evaluation/out_of_fold/decision_tree/photo/zoom0.parquet",
    ]
    found = by_run(paths)
    assert {key: path.as_posix() for key, path in found.items()} == {
        ("lightgbm", "early", 3): paths[0],
        ("vggnet12", "stacked", 2): paths[1],
        ("decision_tree", "photo", 0): paths[2],
    }
    with pytest.raises(HissError, match="not in a folder <model>/<modality>/zoom<k>"):
        by_run(["zoom_study/evaluation/out_of_fold.parquet"])


def test_an_interval_moved_to_its_middle_does_not_come_back_as_it_was():
    low, high = widened(*widened([0.0, 0.0], [1.0, 0.4], -0.3), 0.3)
    np.testing.assert_allclose([low[0], high[0]], [0.0, 1.0])
    np.testing.assert_allclose([low[1], high[1]], [-0.1, 0.5]), "0.6 wide, twice what it was moved by, and not 0.4"


def test_ranks_are_shares_below_with_ties_in_the_middle():
    np.testing.assert_allclose(ranks(np.array([-9.0, 1.0, 9.0]), np.array([1.0, 1.0, 2.0])), [0.125, 0.375, 0.875])
    values = np.random.default_rng(1).normal(size=5000)
    assert np.histogram(ranks(values, values), 10, (0, 1))[0].tolist() == [500] * 10


def test_late_fusion_is_calibrated_by_its_two_parts_and_few_objects_promise_little(tmp_path):
    rng = np.random.default_rng(4)
    test, metrics, split = calibration_study(tmp_path, 12, 30, rng)
    held = pd.read_parquet(tmp_path / "out_of_fold/lightgbm/early/zoom3.parquet")
    for name in ("photo", "spectra"):
        write_table(tmp_path / f"out_of_fold/lightgbm/{name}/zoom3.parquet", held)
    late = test.assign(modality="late", method="residuals")
    paths = by_run((tmp_path / "out_of_fold").rglob("*.parquet"))
    table = calibration_table(late, metrics.assign(modality="late"), split, paths, {}, 0.9)
    assert set(table["modality"]) == {"late"}
    assert table["level"][table["part"] == "coverage"].max() < 0.95, "12 objects promise at most 12 / 13"
    none = calibration_table(late.assign(method=""), metrics.assign(modality="late"), split, paths, {}, 0.9)
    assert none.empty
    assert calibration_sentences(none) == []
