"""A study whose own sample masks neighbours and short gaps, from the cube to predictions of a cube."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from simulated_scenes import make_scenes

from hiss.bands import BANDS, FLUX_UNIT
from hiss.config.sample import MultiObject
from hiss.cube.layout import TARGETS, ml_image_data, ml_image_group, ml_spectrum_data, ml_spectrum_group
from hiss.cube.overlap import edges_of, overlap_matrix
from hiss.cube.rebin import bin_centers
from hiss.evaluation.predict import predict_cube
from hiss.evaluation.test import predict_test
from hiss.files import read_json, write_table
from hiss.models.bins import bin_features
from hiss.models.features import Sources, load_data, open_part, prepare_features
from hiss.models.run import model_type
from hiss.models.train import run_experiment
from hiss.models.trained import predict_rows
from hiss.sample.choice import Treatment
from hiss.sample.export import export_zoom, objects_table
from hiss.sample.neighbours import load_masks, take_out
from hiss.sample.segmentation import Segmentation
from hiss.sample.sources import find_neighbours
from hiss.sample.treatment import Treated

N, ZOOM, LONGEST = 80, 3, 20
SEGMENTATION = MultiObject().segmentation.model_dump()
LONG = 7
"""A target with a long gap; every fourth has a short one, every third a neighbour."""


def make_cube(path, seed=1):
    rng = np.random.default_rng(seed)
    fainter = np.where(np.arange(N) % 3 == 0, 1.0, 9.0)
    scenes = make_scenes(N, seed, fainter, 8)
    label = rng.normal(size=N)
    spectra = (5 + label[:, None] + rng.normal(0, 0.3, (N, 4620))).astype("f4")
    for row in range(0, N, 4):
        start = int(rng.integers(100, 4000))
        spectra[row, start : start + LONGEST] = np.nan
    spectra[LONG, 100:200] = np.nan
    blocks = (N, 5, 8, 8, 8, 8)
    sigma = np.sqrt((scenes.sigma.reshape(blocks) ** 2).sum(axis=(3, 5))) / 64
    share = overlap_matrix(edges_of(bin_centers(0)), edges_of(bin_centers(ZOOM)))
    mean = (share @ spectra.T).T / np.asarray(share.sum(axis=1))
    table = pd.DataFrame({"target_id": np.arange(N), "objid": 10**18 + seed * 10**6 + np.arange(N), "flag": 0})
    table = table.assign(ra=10.0 + np.arange(N) / 100, dec=-1.0, z=0.1, avg=label, p16=label - 0.2, p84=label + 0.2)
    table["class"] = "GALAXY"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[TARGETS] = np.asarray(table.to_records(index=False, column_dtypes={"class": "S16"}))
        for zoom, images, errors, flux in (
            (0, scenes.images, scenes.sigma, spectra),
            (ZOOM, scenes.images.reshape(blocks).mean(axis=(3, 5)), sigma, mean.astype("f4")),
        ):
            file[ml_image_data(zoom)], file[f"{ml_image_group(zoom)}/errors"] = images, errors
            file[ml_spectrum_data(zoom)], file[f"{ml_spectrum_group(zoom)}/errors"] = flux, np.full_like(flux, 0.3)
            file[ml_image_data(zoom)].attrs["bands"] = list(BANDS)
            for name in (ml_image_data(zoom), ml_spectrum_data(zoom)):
                file[name].attrs["units"] = FLUX_UNIT
            file[f"{ml_spectrum_group(zoom)}/wl"] = bin_centers(zoom)
    return path


class Study:
    def __init__(self, results):
        self.results, self.sample = results, results / "sample"
        self.dense = make_cube(results / "cube" / "dense.h5")
        self.sample.mkdir()
        for zoom in (0, ZOOM):
            export_zoom(self.dense, zoom, self.sample / f"zoom{zoom}.h5")
        objects = objects_table(self.dense)
        write_table(self.sample / "objects.parquet", objects)
        find_neighbours(self.sample / "zoom0.h5", Segmentation.of(SEGMENTATION), self.sample / "neighbours.h5", {})
        usable = objects[objects["row"] != LONG]
        self.split = usable[["row", "target_id", "avg"]].assign(group=usable["row"], fold=-1)
        self.split["split"] = np.resize(["train", "train", "train", "validation", "test"], len(self.split))
        train = self.split["split"] == "train"
        self.split.loc[train, "fold"] = np.arange(train.sum()) % 5
        write_table(self.sample / "flag0" / "split.parquet", self.split)

    def sources(self, gaps="mask", multi="mask", modality_zoom=ZOOM):
        treatment = Treatment(neighbours=multi, gaps=gaps, longest=LONGEST, segmentation=SEGMENTATION)
        treated = Treated(treatment, self.sample / "zoom0.h5", self.sample / "neighbours.h5")
        arrays = self.sample / f"zoom{modality_zoom}.h5"
        return Sources(arrays, objects=self.sample / "objects.parquet", treated=treated)

    def train(self, model, modality, gaps, settings):
        features = self.results / "features" / f"{modality}_{gaps}.h5"
        prepare_features(self.sources(gaps), self.split, modality, features, {})
        bins = [features.with_name(f"{modality}_{gaps}_{side}.bins") for side in ("train", "validation")]
        if model == "lightgbm":
            bin_features(features, 63, *bins, 1)
        name = f"gaps={gaps}"
        run = {"target": "sfr", "sample": "flag0", "model": model, "modality": modality, "zoom": ZOOM, "name": name}
        folder = self.results / f"runs/sfr/flag0/{model}/{modality}/zoom{ZOOM}/{name}"
        bins = bins if model == "lightgbm" else []
        run_experiment(model_type(model), features, run | {"settings": settings, "seed": 1}, folder, 1, bins=bins)
        return features, folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("treated") / "results")


SETTINGS = {
    "decision_tree": {"max_depth": 3},
    "lightgbm": {"learning_rate": 0.2, "max_depth": 3, "rounds": 20, "min_data_in_leaf": 3},
    "vggnet12": {"learning_rate": 1e-3, "epochs": 1, "width": 4, "batch_size": 16},
}


@pytest.mark.parametrize("gaps", ["mask", "interpolate"])
@pytest.mark.parametrize("modality", ["photo", "spectra", "early"])
@pytest.mark.parametrize("model", ["decision_tree", "lightgbm"])
def test_test_set_and_another_cube_are_treated_as_the_training_objects_were(study, model, modality, gaps):
    features, folder = study.train(model, modality, gaps, SETTINGS[model])
    _demand_the_same(study, model, modality, features, folder, study.sources(gaps))


def test_the_cnn_s_too(study):
    features, folder = study.train("vggnet12", "early", "mask", SETTINGS["vggnet12"])
    _demand_the_same(study, "vggnet12", "early", features, folder, study.sources())


def _demand_the_same(study, model, modality, features, folder, sources):
    predicted = predict_cube(folder, study.dense).set_index("target_id")["prediction"]
    held = pd.read_parquet(folder / "validation.parquet").set_index("target_id")["prediction"]
    assert_allclose(predicted.loc[held.index], held, rtol=1e-6, atol=1e-6)
    path = f"runs/sfr/flag0/{model}/{modality}/zoom{ZOOM}/{folder.name}"
    selection = pd.DataFrame({"model": [model], "modality": modality, "zoom": ZOOM, "path": path})
    kind = model_type(model)
    tested = predict_test(
        model, selection, {path: folder}, {ZOOM: study.sample / f"zoom{ZOOM}.h5"}, study.split,
        lambda *asked: predict_rows(kind, *asked), treated=sources.treated,
    )  # fmt: skip
    assert_allclose(predicted.loc[tested["target_id"]], tested["prediction"], rtol=1e-6, atol=1e-6)
    told = read_json(folder / "metrics.json")["treatment"]
    assert told == sources.treated.treatment.as_dict()
    assert np.isnan(predicted.loc[LONG]) == (modality != "photo"), "the target with a long gap"


def test_what_is_missing_is_said_of_the_cube_s_targets(study):
    _, folder = study.train("lightgbm", "early", "mask", SETTINGS["lightgbm"])
    table = predict_cube(folder, study.dense)
    assert table.loc[LONG, "reason"] == "a gap in its spectrum"
    assert (table["reason"] != "").sum() == 1


def test_features_are_those_without_neighbours(study):
    data, _ = load_data(study.sources(), np.arange(N), "early")
    plain, _ = load_data(Sources(study.sample / f"zoom{ZOOM}.h5"), np.arange(N), "early")
    masks = load_masks(study.sample / "neighbours.h5", np.arange(N))
    hit = masks.mask.any(axis=(1, 2))
    assert hit.tolist() == [row % 3 == 0 for row in range(N)]
    assert_array_equal(data.images[~hit], plain.images[~hit])
    with h5py.File(study.sample / "zoom0.h5") as file:
        clean, _ = take_out(file["images"][()], None, masks)
    blocks = clean.reshape(N, 5, 8, 8, 8, 8).mean(axis=(3, 5))
    assert_allclose(data.images, blocks, rtol=1e-4, atol=1e-5)
    share = data.images[hit].sum(axis=(1, 2, 3)) / plain.images[hit].sum(axis=(1, 2, 3))
    assert np.median(share) < 0.85
    assert data.gaps
    assert not plain.gaps
    assert_array_equal(np.isnan(data.spectra).any(axis=1), np.isnan(plain.spectra).any(axis=1))
    assert np.isnan(data.spectra[LONG]).all()


def test_neighbours_alone_leave_spectra_and_gaps_alone_leave_images(study):
    rows = np.arange(0, N, 4)
    plain, _ = load_data(Sources(study.sample / f"zoom{ZOOM}.h5"), rows, "early")
    masked, _ = load_data(study.sources(gaps="reject"), rows, "early")
    bridged, _ = load_data(study.sources(gaps="interpolate", multi="keep"), rows, "early")
    assert_array_equal(masked.spectra, plain.spectra)
    assert not masked.gaps
    assert_array_equal(bridged.images, plain.images)
    assert np.isfinite(bridged.spectra).all()
    assert_allclose(bridged.spectra[np.isfinite(plain.spectra)], plain.spectra[np.isfinite(plain.spectra)])


def test_prepared_features_say_how_they_were_treated(study, tmp_path):
    for name, sources in (("plain", Sources(study.sample / f"zoom{ZOOM}.h5")), ("treated", study.sources())):
        sources = Sources(sources.arrays, objects=study.sample / "objects.parquet", treated=sources.treated)
        rows = study.split[study.split["row"] % 4 > 0] if name == "plain" else study.split
        prepare_features(sources, rows, "spectra", tmp_path / f"{name}.h5", {})
    with h5py.File(tmp_path / "plain.h5") as plain, h5py.File(tmp_path / "treated.h5") as treated:
        assert "treatment" not in plain.attrs
        assert json.loads(treated.attrs["treatment"])["longest"] == LONGEST
    assert not open_part(tmp_path / "plain.h5", "train").data.gaps
    assert open_part(tmp_path / "treated.h5", "validation").data.gaps
