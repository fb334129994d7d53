"""Learning curves: nested draws, the power law where it is determined, and what doubling brings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.test_evaluation_variants import Study

from hiss.config.variants import Variant
from hiss.errors import HissError
from hiss.evaluation.learning import (
    FIT_COLUMNS,
    LEARNING_COLUMNS,
    Size,
    _resampled_rmse,
    learning_curves,
    power_law,
)
from hiss.evaluation.refit import draw_groups
from hiss.evaluation.variants import without_shares
from hiss.files import read_json, read_table, write_json, write_table
from hiss.models.metrics import rmse
from hiss.report.answers_diagnostics import learning_sentences


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("learning"))


def share(study, name, part, draws):
    run = study.run("lightgbm", f"variant={name}", {}, base="early", members=1, train_size=None)
    return study.refit_run(run | {"train_share": part, "draws": draws})


# ---- draws ----


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(0, 80), st.integers(0, 80), st.integers(1, 5))
def test_smaller_draws_are_parts_of_larger_ones_and_of_whole_groups(group, one, other, seed):
    small, large = (draw_groups(group, size, seed) for size in sorted((one, other)))
    assert set(small) <= set(large)
    taken = np.array(group)[large]
    assert all((np.array(group) == label).sum() == (taken == label).sum() for label in set(taken))


def test_each_draw_is_trained_on_objects_of_its_own_and_the_first_predicts(study):
    folder = share(study, "half", 0.5, 3)
    metrics, table = read_json(folder / "metrics.json"), read_table(folder / "validation.parquet")
    n_train = read_json(study.selected("lightgbm") / "metrics.json")["n_train"]
    assert len(metrics["members"]) == 3
    assert all(0.45 * n_train <= one["n_train"] <= 0.5 * n_train for one in metrics["members"])
    np.testing.assert_array_equal(table["prediction"], table["draw_1"])
    assert (table["draw_1"] != table["draw_2"]).any()
    for place, one in enumerate(metrics["members"], start=1):
        assert one["validation"]["rmse"] == pytest.approx(rmse(table["truth"], table[f"draw_{place}"]))
    assert metrics["validation"] == metrics["members"][0]["validation"]
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["draw2", "draw3", "seed1"]
    row = study.compared(folder).iloc[0]
    assert row["changed"] == "50 % of the training objects"
    assert row["train_share"] == 0.5
    assert without_shares(study.compared(folder)).empty


def test_a_share_beside_something_else_stays_among_the_variants():
    changed = ["50 % of the training objects", "sample any_flag; 50 % of the training objects", "sample any_flag"]
    table = pd.DataFrame({"changed": changed, "train_share": [0.5, 0.5, np.nan]})
    assert without_shares(table)["changed"].to_list() == changed[1:]


def test_a_small_share_of_few_objects_is_still_some(study):
    folder = share(study, "little", 0.01, 1)
    assert 5 <= read_json(folder / "metrics.json")["n_train"] <= 10


# ---- curves ----


def curve(folder, sizes, law, n=3000, noise=0.0, draws=3, seed=1):
    """Runs whose errors have the RMSE that a law says, on the same validation objects."""
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=n)
    unit /= np.sqrt((unit**2).mean())
    truth = rng.normal(size=n)
    paths = []
    for part in (*sizes, None):
        n_train = round(6000 * (part or 1))
        name = "selected" if part is None else f"variant=share{part}"
        place = folder / "runs/sfr/flag0/lightgbm/early/zoom3" / name
        drawn = {}
        for draw in range(1 if part is None else draws):
            each = unit * law(n_train) * (1 + noise * rng.normal())
            drawn[f"draw_{draw + 1}"] = truth + each
        table = pd.DataFrame({"target_id": np.arange(n), "row": np.arange(n), "truth": truth} | drawn)
        table["prediction"] = drawn["draw_1"]
        write_table(place / "validation.parquet", table.drop(columns=list(drawn)) if part is None else table)
        run = {"model": "lightgbm", "modality": "early", "zoom": 3, "base": "early", "sample": "flag0"}
        run |= {} if part is None else {"train_share": part, "members": 1}
        members = [] if part is None else [{"n_train": n_train}] * draws
        told = {"run": run, "n_train": n_train, "members": members}
        write_json(place / "metrics.json", told | ({} if part is None else {"overrides": {}}))
        paths.append(place / "metrics.json")
    selection = pd.DataFrame(
        [{"model": "lightgbm", "modality": "early", "zoom": 3, "path": "runs/sfr/flag0/lightgbm/early/zoom3/selected"}]
    )
    split = pd.DataFrame({"target_id": np.arange(n), "group": np.arange(n)})
    return learning_curves(selection, paths[-1:], paths[:-1], split, 200, 1)


def law(n):
    return 0.2 + 5.0 * n**-0.5


@given(st.floats(0.0, 0.5), st.floats(0.5, 20.0), st.sampled_from([0.3, 0.5, 1.0]))
def test_a_power_law_without_noise_is_found_again(floor, factor, exponent):
    n = np.array([300.0, 600.0, 1500.0, 3000.0, 6000.0])
    found = power_law(n, (floor + factor * n**-exponent)[:, None])
    at = np.array([600.0, 6000.0, 12000.0])
    expected = floor + factor * at**-exponent
    np.testing.assert_allclose(found[0] + found[1] * at ** -found[2], expected, rtol=0.03, atol=0.004)
    assert min(found[0][0], found[1][0]) >= 0


def test_a_rising_error_is_a_floor_alone():
    floor, factor, _ = power_law(np.array([1.0, 2.0, 4.0, 8.0]), np.array([[0.1], [0.2], [0.3], [0.4]]))
    assert factor[0] == 0
    assert floor[0] == pytest.approx(0.25)


def test_a_curve_of_known_law_tells_what_doubling_brings(tmp_path):
    points, fits = curve(tmp_path, (0.05, 0.1, 0.25, 0.5), law)
    assert list(points) == LEARNING_COLUMNS
    assert points["n_train"].to_list() == [300, 600, 1500, 3000, 6000]
    np.testing.assert_allclose(points["rmse"], law(points["n_train"]), rtol=1e-6)
    assert ((points["low"] < points["rmse"]) & (points["rmse"] < points["high"])).all()
    fit = fits.iloc[0]
    assert list(fits) == FIT_COLUMNS
    assert fit["determined"]
    assert fit["exponent"] == pytest.approx(0.5, rel=0.1)
    assert fit["last_doubling"] == pytest.approx(law(6000) - law(3000))
    assert fit["next_doubling"] == pytest.approx(law(12000) - law(6000), rel=0.05)
    assert fit["next_low"] <= fit["next_doubling"] <= fit["next_high"] < 0
    told = learning_sentences(fits)[0]
    assert "from 3,000 to 6,000 training galaxies the RMSE changed by \u22120.027 dex" in told
    assert "by a power law" in told


def test_too_few_sizes_or_too_much_scatter_determine_nothing(tmp_path):
    _, few = curve(tmp_path / "few", (0.25, 0.5), law)
    assert not few["determined"].iloc[0]
    assert "a power law is not determined" in learning_sentences(few)[0]
    points, noisy = curve(tmp_path / "noisy", (0.1, 0.25, 0.5), lambda n: 0.4, noise=0.05)
    assert not noisy["determined"].iloc[0]
    assert np.isnan(noisy["next_doubling"].iloc[0])
    assert (points["scatter"].iloc[:-1] > 0).all()
    assert np.isnan(points["scatter"].iloc[-1]), "one fit has none"


def test_a_curve_without_half_of_the_objects_says_nothing_of_doubling(tmp_path):
    _, fits = curve(tmp_path, (0.1, 0.25), law)
    assert learning_sentences(fits) == []


def test_without_scatter_doubling_is_told_and_with_it_not(tmp_path):
    _, flat = curve(tmp_path, (0.25, 0.5), lambda n: 0.4, noise=0.05, n=300)
    assert "which this validation set cannot tell from none" in learning_sentences(flat)[0]
    assert learning_sentences(None) == []


def test_a_curve_needs_the_selected_run_and_the_same_objects(tmp_path):
    curve(tmp_path, (0.5,), law, n=50)
    folder = tmp_path / "runs/sfr/flag0/lightgbm/early/zoom3"
    split = pd.DataFrame({"target_id": np.arange(50), "group": np.arange(50)})
    selection = pd.DataFrame([{"model": "lightgbm", "modality": "early", "zoom": 2, "path": "runs/sfr/flag0/x"}])
    variants, runs = [folder / "variant=share0.5/metrics.json"], [folder / "selected/metrics.json"]
    with pytest.raises(HissError, match="no selected run of lightgbm, early, zoom 3"):
        learning_curves(selection, runs, variants, split, 10, 1)
    table = read_table(folder / "selected/validation.parquet")
    write_table(folder / "selected/validation.parquet", table.assign(target_id=table["target_id"] + 1))
    path = "runs/sfr/flag0/lightgbm/early/zoom3/selected"
    with pytest.raises(HissError, match="other validation objects"):
        learning_curves(selection.assign(zoom=3, path=path), runs, variants, split, 10, 1)


@pytest.mark.parametrize(
    "change", [{"sample": "any_flag"}, {"modality": "early_z"}, {"members": 3}, {"overrides": {"max_bin": 15}}]
)
def test_a_share_that_changes_something_else_is_no_point_of_a_curve(tmp_path, change):
    n = 50
    curve(tmp_path, (0.25, 0.5), law, n=n)
    folder = tmp_path / "runs/sfr/flag0/lightgbm/early/zoom3"
    other = folder / "variant=share0.5"
    told = read_json(other / "metrics.json")
    told |= change if "overrides" in change else {"run": told["run"] | change}
    write_json(other / "metrics.json", told)
    table = read_table(other / "validation.parquet")
    write_table(other / "validation.parquet", table.assign(target_id=table["target_id"] + 1))  # of another sample
    selection = pd.DataFrame(
        [{"model": "lightgbm", "modality": "early", "zoom": 3, "path": "runs/sfr/flag0/lightgbm/early/zoom3/selected"}]
    )
    split = pd.DataFrame({"target_id": np.arange(n), "group": np.arange(n)})
    variants = [folder / f"variant=share{part}" / "metrics.json" for part in (0.25, 0.5)]
    points, _ = learning_curves(selection, [folder / "selected/metrics.json"], variants, split, 10, 1)
    assert points["train_share"].to_list() == [0.25, 1.0]


@pytest.mark.parametrize("k", [2, 3, 8])
def test_a_mean_of_draws_scatters_as_their_standard_error(k):
    rng = np.random.default_rng(k)
    each = rng.normal(0.5, 0.05, k)
    n, resamples = 40, 20_000
    counts, index = np.ones((resamples, n), dtype=np.int64), np.arange(n)  # the same objects each time
    size = Size(0.5, 100, np.repeat(each[:, None] ** 2, n, axis=1))
    found = _resampled_rmse(size, counts, index, (1, 0), 0.0)
    assert found.mean() == pytest.approx(each.mean(), abs=0.001)
    assert found.std() == pytest.approx(each.std(ddof=1) / np.sqrt(k), rel=0.03)


def test_fits_that_stand_alone_scatter_each_by_itself():
    n, resamples = 40, 5_000
    counts, index = np.ones((resamples, n), dtype=np.int64), np.arange(n)
    alone = Size(1.0, 100, np.full((1, n), 0.25))
    one, other = (_resampled_rmse(alone, counts, index, (1, place), 0.1) for place in (0, 1))
    assert (one - other).std() == pytest.approx(0.1 * np.sqrt(2), rel=0.05)


# ---- config ----


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"train_share": 0.5, "train_size": 9}, "say the same in two ways"),
        ({"train_size": 9, "draws": 2}, "draws are of a train_share"),
        ({"train_share": 0.5, "draws": 2, "members": 2}, "no members"),
        ({"train_share": 1.0}, "less than 1"),
    ],
)
def test_a_share_is_named_alone(given_, message):
    with pytest.raises(ValueError, match=message):
        Variant(**given_)


def test_the_last_doubling_is_worded_by_its_interval() -> None:
    row = {"model": "lightgbm", "modality": "photo", "zoom": 0, "n_half": 120, "n_all": 240, "determined": False}
    ends = [(-0.06, -0.02), (0.02, 0.06), (-0.02, 0.02), (np.nan, np.nan)]
    rows = [row | {"last_doubling": 0.01, "last_low": low, "last_high": high} for low, high in ends]
    fell, rose, open_, unknown = learning_sentences(pd.DataFrame(rows))
    assert fell.endswith("another doubling may be expected to bring no more than that.")
    assert rose.endswith("it rose, so that this curve says nothing of another doubling.")
    assert open_.endswith("which this validation set cannot tell from none.")
    assert "(too few objects for an interval)" in unknown
    assert "nan" not in unknown
