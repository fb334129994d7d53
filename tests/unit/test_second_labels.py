"""Labels of further targets: what they say of known objects, and how well the quiescent are told of the simulator's."""

import h5py
import numpy as np
import pandas as pd
import pytest

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.sample.classes import class_names
from hiss.sample.second_labels import CLASSES, LABELS, QUIESCENT, STAR_FORMING, label_of
from hiss.sample.stellar_mass import k_corrections, log_stellar_mass
from hiss.sample.usable import known_targets, measure_targets, missing_flux
from hiss.sky.arrays import simulate_objects


def targets(**columns):
    n = len(next(iter(columns.values())))
    plain = {
        "class": "GALAXY", "z": 0.08, "zwarning": 0, "avg": 0.3, "mag_g": 17.0, "mag_r": 16.5,
    }  # fmt: skip
    return known_targets(pd.DataFrame({name: columns.get(name, [value] * n) for name, value in plain.items()}))


def test_a_class_is_the_pipeline_s_and_nothing_else():
    label = LABELS["class"].of(targets(**{"class": ["GALAXY  ", "QSO", "STAR", "", "SKY"]}))
    assert label.value.tolist() == ["GALAXY", "QSO", "STAR", "", ""]
    assert [bool(why) for why in label.why] == [False, False, False, True, True]


def test_a_galaxy_is_quiescent_by_its_rate_for_its_mass():
    mass = log_stellar_mass([17.0], [16.5], [0.08])[0]
    label = LABELS["quiescent"].of(targets(avg=[mass - 10.9, mass - 11.1, -99.0, np.nan]))
    assert label.value.tolist() == [STAR_FORMING, QUIESCENT, "", ""]
    assert label.why.tolist() == ["", "", *["without a star formation rate"] * 2]


def test_a_quasar_or_a_galaxy_of_no_known_mass_is_neither():
    table = targets(**{"class": ["QSO", "GALAXY", "GALAXY"], "mag_g": [17.0, np.nan, 17.0], "z": [0.1, 0.1, 0.9]})
    label = LABELS["quiescent"].of(table)
    assert label.value.tolist() == ["", "", ""]
    assert label.why.tolist() == ["not galaxies", *["without a mass by magnitudes and redshift"] * 2]


def test_a_redshift_is_that_of_a_galaxy_without_a_warning():
    table = targets(
        **{"class": ["GALAXY", "GALAXY", "STAR", "GALAXY"], "zwarning": [0, 4, 0, 0], "z": [0.1, 0.2, 0.0, np.nan]}
    )
    label = LABELS["redshift"].of(table)
    np.testing.assert_array_equal(label.value, [0.1, np.nan, np.nan, np.nan])
    assert label.why.tolist() == ["", "with a warning of the redshift", "not galaxies", "without a redshift"]


def test_a_label_that_is_not_there_is_a_sentence():
    with pytest.raises(HissError, match="'colour' is not known; name class, quiescent, redshift"):
        label_of("colour")


def test_names_of_classes_are_in_order_of_their_codes():
    assert class_names(pd.DataFrame({"truth": [1.0, 0.0, 1.0], "class": ["b", "z", "b"]})) == ("z", "b")
    assert class_names(pd.DataFrame({"truth": [0.1]})) == ()
    assert all(set(label.classes) <= {*CLASSES, STAR_FORMING, QUIESCENT} for label in LABELS.values())


# ---- masses ----


def test_k_corrections_are_those_of_their_authors():
    k_g, _ = k_corrections(0.2, 1.1)
    assert k_g == pytest.approx(0.5209713976)  # the example of their page
    np.testing.assert_array_equal(k_corrections([0.0, 0.0], [0.3, 1.0]), 0)


def test_a_galaxy_of_solar_colour_has_the_mass_of_its_light():
    """At z = 0.01, where K-corrections are small: m - M = 5 lg(d_L / 10 pc), 43.2 Mpc for H0 = 70."""
    mass = log_stellar_mass([12.7], [12.0], [0.01])[0]
    absolute = 12.0 - 5 * np.log10(43.2e6 / 10)
    assert mass == pytest.approx(-0.456 + 1.097 * 0.7 - 0.4 * (absolute - 4.65), abs=0.05)


def test_a_mass_rises_with_light_and_colour_and_is_not_told_outside_the_range():
    masses = log_stellar_mass([17.0, 16.0, 17.3], [16.5, 15.5, 16.5], [0.08] * 3)
    assert masses[1] == pytest.approx(masses[0] + 0.4)
    assert masses[2] > masses[0]
    assert np.isnan(log_stellar_mass([17, 17, 17, 20], [16.5] * 4, [0, -0.1, 0.6, 0.1])).all()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Galaxies of the simulator as targets, with what is measured of them, and the truth."""
    sky = simulate_objects(400, seed=3, zooms=(0,))
    path = tmp_path_factory.mktemp("simulated") / "zoom0.h5"
    with h5py.File(path, "w") as file:
        file["images"], file["spectra"] = sky.images[0], sky.spectra[0]
        file["target_id"] = np.arange(400)
    measured = measure_targets(path, 3.0)
    magnitudes = measured[list(BANDS)].add_prefix("mag_")
    known = pd.DataFrame({"class": "GALAXY", "z": sky.truth["z"].to_numpy(), "zwarning": 0, "avg": sky.avg})
    return known_targets(known).join(magnitudes), sky.truth.reset_index(drop=True)


def test_masses_of_the_simulated_follow_their_true_ones(simulated):
    table, truth = simulated
    error = log_stellar_mass(table["mag_g"], table["mag_r"], table["z"]) - truth["log_mass"]
    assert error.std() < 0.2
    assert abs(error.median()) < 0.35  # other spectra than those of nature, and light outside the aperture


@pytest.mark.parametrize("what", ["kind", "specific"])
def test_the_quiescent_are_those_of_the_simulator(simulated, what):
    """Balanced accuracy of the label itself, against the kind that was drawn, and the true rate for the true mass."""
    table, truth = simulated
    label = LABELS["quiescent"].of(table)
    known = label.why == ""
    assert known.mean() > 0.98
    true = truth["quiescent"].to_numpy(dtype=bool)
    if what == "specific":
        true = (truth["log_sfr"] - truth["log_mass"]).to_numpy() < -11
    said = label.value == QUIESCENT
    recalls = [(said == true)[known & (true == side)].mean() for side in (True, False)]
    assert min(np.bincount(true[known])) > 50
    assert np.mean(recalls) > 0.93
    assert min(recalls) > 0.87


# ---- what the arrays lack ----


def test_missing_flux_is_that_of_the_arrays(tmp_path):
    spectra, images = np.ones((5, 480), np.float32), np.ones((5, 5, 64, 64), np.float32)
    spectra[1, 40:64] = spectra[2, :48] = spectra[3, 479] = spectra[4] = np.nan
    images[4, 1, 3, :2] = np.nan
    with h5py.File(tmp_path / "zoom0.h5", "w") as file:
        file["images"], file["spectra"], file["target_id"] = images, spectra, np.arange(5)
    table = missing_flux(tmp_path / "zoom0.h5")
    assert table["missing_samples"].tolist() == pytest.approx([0, 0.05, 0.1, 1 / 480, 1])
    assert table["gap_at_end"].tolist() == [False, False, True, True, True]
    assert table["missing_pixels"].tolist() == [0, 0, 0, 0, 2]
    measured = measure_targets(tmp_path / "zoom0.h5", 3.0)
    assert measured.columns.tolist() == ["row", "missing_samples", "gap_at_end", "missing_pixels", *BANDS]
    assert measured["r"].notna().all()
