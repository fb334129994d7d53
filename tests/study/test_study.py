"""The study in small, on 4,000 simulated objects: what the simulated sky is made to show, and the models to find.

Only what the same objects say of two models is compared: paired bootstrap intervals of differences of test RMSE.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from hiss.models.base import Data
from hiss.models.fusion import late_fusion
from hiss.models.metrics import scores
from hiss.models.run import make_model
from hiss.models.stacking import apply_stack, fit_stack
from hiss.script import Stopwatch
from hiss.sky.arrays import SimulatedObjects, simulate_objects
from hiss.sky.population import label_noise
from hiss.sky.sed import fibre_shares, line_fluxes
from hiss.sky.templates import LINES

N, SEED, ZOOMS, FOLDS = 4000, 1, (2, 3), 5
MODALITIES = ("photo", "spectra", "early")
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
    "vggnet12": {"learning_rate": 1e-3, "width": 8, "epochs": 15},
    "mean": {},
    "magnitudes": {},
    "halpha": {"scale": "fitted"},
}
STUDY = [(name, modality, zoom) for name in ("decision_tree", "lightgbm") for zoom in ZOOMS for modality in MODALITIES]
STUDY += [("vggnet12", modality, max(ZOOMS)) for modality in ("photo", "early")]
BASELINES = [("mean", "none", min(ZOOMS)), ("magnitudes", "photo", min(ZOOMS)), ("halpha", "lines", min(ZOOMS))]
FUSIONS = [(name, fusion, max(ZOOMS)) for name in ("decision_tree", "lightgbm") for fusion in ("late", "stacked")]


class Outcome(NamedTuple):
    """One model on one modality at one zoom."""

    error: np.ndarray
    """(n_test,) prediction less truth."""
    n_features: int
    work: int
    """Features times trees: what a boosted fit has to look at."""
    test: pd.DataFrame
    """Predictions of the test objects."""
    held_out: pd.DataFrame | None
    """Predictions of the training objects, each by a model that did not see its fold."""


@pytest.fixture(scope="module")
def sky() -> SimulatedObjects:
    return simulate_objects(N, SEED, ZOOMS)


@pytest.fixture(scope="module")
def sides() -> list[np.ndarray]:
    return np.split(np.random.default_rng(SEED).permutation(N), [int(0.6 * N), int(0.8 * N)])


@pytest.fixture(scope="module")
def study(sky, sides) -> dict[tuple[str, str, int], Outcome]:
    outcomes = {}
    for zoom, modality in {(zoom, modality): None for _, modality, zoom in STUDY + BASELINES}:
        parts = [seen(sky, modality, zoom).take(rows) for rows in sides]
        for name in (name for name, *where in STUDY + BASELINES if where == [modality, zoom]):
            outcomes[name, modality, zoom] = learned(name, modality, zoom, sides, *parts)
    for name, fusion, zoom in FUSIONS:
        outcomes[name, fusion, zoom] = fused(fusion, *(outcomes[name, part, zoom] for part in ("photo", "spectra")))
    return outcomes


def seen(sky: SimulatedObjects, modality: str, zoom: int) -> Data:
    return Data.from_arrays(
        sky.images[zoom] if modality in ("photo", "early") else None,
        sky.spectra[zoom] if modality in ("spectra", "early") else None,
        sky.avg,
        sky.image_sigma[zoom] if modality in ("photo", "early") else None,
        lines(sky) if modality == "lines" else np.empty((N, 0), "f4"),
    )


def lines(sky: SimulatedObjects) -> np.ndarray:
    """What a fit finds of H-alpha and H-beta in the fibre: with the noise of the samples under 10 Angstrom."""
    _, in_disk = fibre_shares(sky.truth, 3.0)
    z = sky.truth["z"].to_numpy()
    wl, sigma = sky.wl[min(ZOOMS)], sky.spectrum_sigma[min(ZOOMS)]
    columns, rng = [z], np.random.default_rng(SEED)
    for name in ("H_alpha", "H_beta"):
        area = line_fluxes(sky.truth)[:, list(LINES).index(name)] * in_disk
        under = np.searchsorted(wl, LINES[name] * (1 + z))
        noise = sigma[np.arange(N), under] * np.sqrt(10.0 * (wl[1] - wl[0]))
        columns += [area + rng.normal(0, 1, N) * noise, noise]
    return np.stack(columns, axis=1).astype("f4")


def learned(name, modality, zoom, sides, train: Data, validation: Data, test: Data) -> Outcome:
    fused_later = modality in ("photo", "spectra") and any((name, zoom) == (other, at) for other, _, at in FUSIONS)
    settings = SETTINGS[name] | ({"cross_validate": True} if name == "lightgbm" and fused_later else {})
    model = make_model(name, settings, modality, SEED, threads=2)
    with Stopwatch() as fit:
        model.fit(train, validation)
    found = predictions(sides[2], test, model.predict(test))
    told = ", ".join(f"{key} {value:.3f}" for key, value in scores(test.target, found["prediction"]).items())
    print(f"{name} {modality} zoom {zoom}: {told}; {train.features.shape[1]} features, fit {fit.seconds:.1f} s")
    held_out = None
    if fused_later:
        fold = np.arange(len(train)) % FOLDS
        held_out = predictions(sides[0], train, model.out_of_fold(train, fold)).assign(fold=fold)
    work = train.features.shape[1] * max(1, len(model.curve))
    error = (found["prediction"] - found["truth"]).to_numpy()
    return Outcome(error, train.features.shape[1], work, found, held_out)


def predictions(rows, data: Data, prediction) -> pd.DataFrame:
    return pd.DataFrame({"target_id": rows, "row": rows, "truth": data.target, "prediction": prediction})


def fused(fusion: str, photo: Outcome, spectra: Outcome) -> Outcome:
    if fusion == "late":
        found = late_fusion(photo.test, spectra.test)
    else:
        found = apply_stack(fit_stack(photo.held_out, spectra.held_out)[0], photo.test, spectra.test)
    print(f"{fusion}: {scores(found['truth'], found['prediction'])}")
    error = (found["prediction"] - found["truth"]).to_numpy()
    return Outcome(error, photo.n_features + spectra.n_features, photo.work + spectra.work, found, None)


def rmse_difference(a: np.ndarray, b: np.ndarray, n_resamples: int = 2000) -> tuple[float, float]:
    """The 95 % interval of RMSE(a) - RMSE(b) over resamples of the test objects, the same for both."""
    rows = np.random.default_rng(SEED).integers(0, len(a), (n_resamples, len(a)))
    rmse_a, rmse_b = (np.sqrt((error[rows] ** 2).mean(axis=1)) for error in (a, b))
    low, high = np.quantile(rmse_a - rmse_b, [0.025, 0.975])
    print(f"difference of RMSE {low:.4f} .. {high:.4f}")
    return low, high


def better(a: Outcome, b: Outcome) -> bool:
    return rmse_difference(a.error, b.error)[1] < 0


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("modality", MODALITIES)
def test_lightgbm_beats_the_tree(study, modality, zoom):
    assert better(study["lightgbm", modality, zoom], study["decision_tree", modality, zoom])


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("alone", ["photo", "spectra"])
def test_early_fusion_beats_either_modality_alone(study, alone, zoom):
    assert better(study["lightgbm", "early", zoom], study["lightgbm", alone, zoom])


@pytest.mark.parametrize("alone", ["photo", "spectra"])
def test_stacking_beats_either_modality_alone(study, alone):
    zoom = max(ZOOMS)
    assert better(study["lightgbm", "stacked", zoom], study["lightgbm", alone, zoom])


@pytest.mark.parametrize("modality", MODALITIES)
def test_coarser_zooms_are_cheaper(study, modality):
    """Fewer features must not be paid back in more trees; counted, since a time would depend on the machine."""
    for fine, coarse in pairwise(ZOOMS):
        assert study["lightgbm", modality, coarse].work < 0.8 * study["lightgbm", modality, fine].work


@pytest.mark.parametrize("modality", MODALITIES)
def test_coarse_zoom_keeps_most_of_what_can_be_known(study, modality):
    finer, coarser = (study["lightgbm", modality, zoom] for zoom in ZOOMS)
    assert np.sqrt((coarser.error**2).mean()) < 1.1 * np.sqrt((finer.error**2).mean())


# ---- against what is known without learning ----


@pytest.mark.parametrize("key", [*STUDY, *FUSIONS, BASELINES[1], BASELINES[2]], ids=str)
def test_whatever_looks_at_an_object_beats_the_mean(study, key):
    assert better(study[key], study[BASELINES[0]])


@pytest.mark.parametrize("baseline", BASELINES[1:], ids=str)
def test_the_best_model_beats_every_baseline(study, baseline):
    """A network that sees both does; boosted trees do not: no tree adds up the pixels that a magnitude adds."""
    assert better(study["vggnet12", "early", max(ZOOMS)], study[baseline])


# ---- the floor: labels are the truth with a noise that is known ----


@pytest.fixture(scope="module")
def floor(sky, sides) -> np.ndarray:
    """Errors (n_test,) of who knows the truth: the noise of the labels."""
    return (sky.truth["log_sfr"].to_numpy() - sky.avg)[sides[2]]


def test_the_floor_is_the_noise_of_the_labels(sky, sides, floor):
    sigma = label_noise(sky.truth["quiescent"].to_numpy())[sides[2]]
    assert (floor / sigma).std() == pytest.approx(1, abs=3 / np.sqrt(2 * len(floor)))
    assert np.sqrt((floor**2).mean()) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.1)


@pytest.mark.parametrize("key", [*STUDY, *FUSIONS, *BASELINES], ids=str)
def test_nothing_beats_the_floor(study, floor, key):
    """Whoever is better than the truth has seen the labels of the test objects."""
    assert rmse_difference(study[key].error, floor)[1] >= 0


def test_a_model_that_has_seen_the_test_set_is_found_out(sky, sides, floor):
    """A tree that was grown on the test objects too lies below the floor, so the test above can fail."""
    data = seen(sky, "photo", max(ZOOMS))
    train, validation, test = sides
    model = make_model("decision_tree", {"max_depth": 30}, "photo", SEED)
    model.fit(data.take(np.concatenate([train, test])), data.take(validation))
    assert rmse_difference(model.predict(data.take(test)) - sky.avg[test], floor)[1] < 0
