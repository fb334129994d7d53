"""The label's own noise: known widths and known scatter come back, in numbers, figures and sentences."""

import numpy as np
import pandas as pd
import pytest
from miniature_labels import make_noise, make_repeats
from miniature_sample import make_objects

from hiss.plots.labels import label_pairs, label_scatter
from hiss.plots.style import plt
from hiss.report.answers_label import label, r2_at_length, what_it_is
from hiss.sample.label_noise import half_width, label_noise, repeated_labels


def _catalogue() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Target 0 has three labels of which one is flagged, 1 a placeholder beside a label, 2 one label alone."""
    spectra = pd.DataFrame({"target_id": [0, 0, 0, 1, 1, 2], "plate": 266, "mjd": 51602, "fiber": range(6)})
    catalogue = pd.DataFrame({"plate": 266, "mjd": 51602, "fiber": range(7), "flag": [0, 1, 0, 0, 0, 0, 0]})
    catalogue["avg"] = [0.1, 0.9, 0.3, -99.0, 0.5, 0.2, 0.2]
    catalogue["p16"], catalogue["p84"] = catalogue["avg"] - 0.1, catalogue["avg"] + 0.3
    return spectra, catalogue


def test_only_sound_labels_of_galaxies_with_several_are_repeats() -> None:
    found = repeated_labels(*_catalogue())
    assert found["target_id"].to_list() == [0, 0]
    assert found["fiber"].to_list() == [0, 2]
    np.testing.assert_allclose(found["avg"], [0.1, 0.3])
    np.testing.assert_allclose(found["half_width"], 0.2)


def test_placeholders_and_percentiles_that_do_not_ascend_have_no_width() -> None:
    widths = half_width(pd.Series([-99.0, 0.1, 0.4]), pd.Series([0.2, 0.5, 0.3]))
    np.testing.assert_allclose(widths, [np.nan, 0.2, np.nan])


def test_the_scatter_of_labels_that_err_by_their_width_is_their_width() -> None:
    rng = np.random.default_rng(5)
    n = 4000
    width = np.repeat(rng.uniform(0.1, 0.6, n // 2), 2)
    repeats = pd.DataFrame({"target_id": np.repeat(np.arange(n // 2), 2), "half_width": width})
    repeats["avg"] = np.repeat(rng.normal(0, 1, n // 2), 2) + rng.normal(0, 1, n) * width
    objects = pd.DataFrame({"avg": rng.normal(0, 1, n), "flag": 0.0})
    objects["p16"], objects["p84"] = objects["avg"] - 0.5, objects["avg"] + 0.5
    row = label_noise(objects, repeats).iloc[0]
    assert row["galaxies"] == n // 2
    assert row["pull"] == pytest.approx(1, abs=0.04)
    assert row["pull_low"] < 1 < row["pull_high"]
    assert row["scatter"] == pytest.approx(row["expected"], rel=0.04)
    assert row["scatter_low"] < row["scatter"] < row["scatter_high"]
    assert row["ceiling"] == pytest.approx(0.75, abs=0.02), "a width of half the spread takes a quarter"
    assert row["half_width"] == pytest.approx(0.5)


def test_half_the_scatter_is_half_the_pull() -> None:
    objects = make_objects(200, np.random.default_rng(1))
    whole, half = (make_noise(objects, n=60, scatter=scatter).iloc[0] for scatter in (1.0, 0.5))
    own = objects.loc[objects["flag"] == 0]
    assert whole["n"] == len(own)
    assert half["pull"] < 0.75 * whole["pull"]
    assert half["ceiling_repeats"] > whole["ceiling_repeats"]


def test_nothing_measured_is_nothing_claimed() -> None:
    objects = make_objects(50, np.random.default_rng(1))
    nothing = make_repeats(objects).head(0)
    row = label_noise(objects, nothing).iloc[0]
    assert row["galaxies"] == 0
    assert np.isnan(row["scatter"])
    assert "No galaxy has two labels" in " ".join(label(label_noise(objects, nothing), "archive"))
    empty = label_noise(objects.head(0), nothing)
    assert "No label of FLAG = 0 has percentiles" in " ".join(label(empty, "archive"))
    figure, data = label_scatter(objects, nothing)
    assert set(data["part"]) == {"width"}
    assert "No galaxy of this sky has two labels" in " ".join(t.get_text() for t in figure.findobj(plt.Text)).replace(
        "\n", " "
    )
    figure, data = label_scatter(objects.head(0), nothing)
    assert data.empty
    plt.close("all")


def test_pairs_are_set_against_the_first_label() -> None:
    repeats = repeated_labels(*_catalogue())
    pairs = label_pairs(repeats)
    np.testing.assert_allclose(pairs["difference"], [0.2])
    np.testing.assert_allclose(pairs["expected"], [0.2 * np.sqrt(2)])


def _said(**row: float) -> str:
    whole = {"n": 100, "n_widths": 90, "half_width": 0.2, "half_width_p16": 0.15, "half_width_p84": 0.5}
    whole |= {"half_width_rms": 0.3, "spread": 0.8, "ceiling": 0.86, "galaxies": 20, "labels": 41, "scatter": 0.1}
    whole |= {"scatter_low": 0.08, "scatter_high": 0.12, "expected": 0.2, "expected_low": 0.1, "expected_high": 0.3}
    whole |= {"pull": 0.5, "pull_low": 0.4, "pull_high": 0.6, "ceiling_repeats": 0.98}
    return " ".join(label(pd.DataFrame([whole | row]), "archive")).replace("\u00a0", " ")


def test_sentences_follow_the_pull() -> None:
    assert "Brinchmann et al. 2004" in _said()
    assert "no RMSE could fall below 0.30 dex, their root mean square, and no R² of all labels exceed 0.86" in _said()
    assert "20 galaxies have several spectra" in _said()
    assert "scatter by 0.100 dex (95 % interval 0.080 to 0.120)" in _said()
    assert "labels repeat better than their widths say" in _said()
    assert "labels scatter more than their widths say" in _said(pull_low=1.1, pull_high=1.4)
    assert "cannot be told from 1, where labels repeat as well" in _said(pull_low=0.595, pull_high=1.69)
    assert "so few cannot tell" in _said(pull_low=np.nan, galaxies=1, labels=2)
    assert "1 galaxy has several spectra" in _said(pull_low=np.nan, galaxies=1, labels=2)
    assert "nothing could be learned" in _said(ceiling=-0.2)
    assert label(None, "archive") == []


def test_the_label_is_what_the_sky_gives() -> None:
    assert "of these very spectra" in what_it_is("archive")
    assert "local folder" not in what_it_is("archive")
    assert "where the tables of the local folder are MPA-JHU's" in what_it_is("local")
    assert "nothing of it was derived from the spectra" in what_it_is("simulated")
    simulated, real = (" ".join(r2_at_length(sky)) for sky in ("simulated", "archive"))
    assert "derived it from these very spectra" in real
    assert "simulated" not in real
    assert "in place of MPA-JHU's estimate" in simulated
    assert "derivation" not in simulated
    assert r2_at_length("simulated")[-1] == r2_at_length("archive")[-1]
