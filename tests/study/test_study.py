"""The study in small, on 4,000 simulated objects: what the simulated sky is made to show, and the models to find.

Only what the same objects say of two models is compared: paired bootstrap intervals of differences of test RMSE.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from hiss.models.base import MODALITIES, Data
from hiss.models.metrics import scores
from hiss.models.run import make_model
from hiss.script import Stopwatch
from hiss.sky.arrays import simulate_objects

N, SEED, ZOOMS = 4000, 1, (2, 3)
SETTINGS = {
    "decision_tree": {"max_depth": 5, "min_samples_leaf": 5},
    "lightgbm": {
        "learning_rate": 0.05,
        "max_depth": 6,
        "min_data_in_leaf": 10,
        "feature_fraction": 0.1,
        "max_bin": 63,
        "rounds": 1000,
    },
}


class Outcome(NamedTuple):
    """One model on one modality at one zoom."""

    error: np.ndarray
    """(n_test,) prediction less truth."""
    n_features: int
    work: int
    """Features times trees: what a boosted fit has to look at."""


@pytest.fixture(scope="module")
def study():
    sky = simulate_objects(N, SEED, ZOOMS)
    order = np.random.default_rng(SEED).permutation(N)
    train, validation, test = np.split(order, [int(0.6 * N), int(0.8 * N)])
    outcomes = {}
    for zoom in ZOOMS:
        for modality in MODALITIES:
            data = Data.from_arrays(
                sky.images[zoom] if modality != "spectra" else None,
                sky.spectra[zoom] if modality != "photo" else None,
                sky.avg,
            )
            parts = [data.take(rows) for rows in (train, validation, test)]
            for name, settings in SETTINGS.items():
                outcomes[name, modality, zoom] = learned(name, settings, modality, zoom, *parts)
    return outcomes


def learned(name, settings, modality, zoom, train: Data, validation: Data, test: Data) -> Outcome:
    model = make_model(name, settings, modality, SEED, threads=2)
    with Stopwatch() as fit:
        model.fit(train, validation)
    prediction = model.predict(test)
    told = ", ".join(f"{key} {value:.3f}" for key, value in scores(test.target, prediction).items())
    print(f"{name} {modality} zoom {zoom}: {told}; {train.features.shape[1]} features, fit {fit.seconds:.1f} s")
    work = train.features.shape[1] * max(1, len(model.curve))
    return Outcome(prediction - test.target, train.features.shape[1], work)


def rmse_difference(a: Outcome, b: Outcome, n_resamples: int = 2000) -> tuple[float, float]:
    """The 95 % interval of RMSE(a) - RMSE(b) over resamples of the test objects, the same for both."""
    rows = np.random.default_rng(SEED).integers(0, len(a.error), (n_resamples, len(a.error)))
    rmse_a, rmse_b = (np.sqrt((part.error[rows] ** 2).mean(axis=1)) for part in (a, b))
    low, high = np.quantile(rmse_a - rmse_b, [0.025, 0.975])
    print(f"difference of RMSE {low:.4f} .. {high:.4f}")
    return low, high


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("modality", MODALITIES)
def test_lightgbm_beats_the_tree(study, modality, zoom):
    _, high = rmse_difference(study["lightgbm", modality, zoom], study["decision_tree", modality, zoom])
    assert high < 0


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("alone", ["photo", "spectra"])
def test_early_fusion_beats_either_modality_alone(study, alone, zoom):
    _, high = rmse_difference(study["lightgbm", "early", zoom], study["lightgbm", alone, zoom])
    assert high < 0


@pytest.mark.parametrize("modality", MODALITIES)
def test_coarser_zooms_are_cheaper(study, modality):
    """Fewer features must not be paid back in more trees; counted, since a time would depend on the machine."""
    for fine, coarse in pairwise(ZOOMS):
        assert study["lightgbm", modality, coarse].work < 0.8 * study["lightgbm", modality, fine].work


@pytest.mark.parametrize("modality", MODALITIES)
def test_coarse_zoom_keeps_most_of_what_can_be_known(study, modality):
    finer, coarser = (study["lightgbm", modality, zoom] for zoom in ZOOMS)
    assert np.sqrt((coarser.error**2).mean()) < 1.1 * np.sqrt((finer.error**2).mean())
