"""A trained run on a cube: the same predictions as its own, intervals, what is missing, and the files they end in."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from hiss.bands import BANDS, FLUX_UNIT
from hiss.cube.layout import TARGETS, ml_image_data, ml_image_group, ml_spectrum_data, ml_spectrum_group
from hiss.described import write_described
from hiss.errors import HissError
from hiss.evaluation.conformal import half_width
from hiss.evaluation.predict import predict_cube, reasons_of
from hiss.evaluation.prediction_table import COLUMNS
from hiss.files import read_table, write_table
from hiss.modality import Modality
from hiss.models.base import Data
from hiss.models.features import LINE_FEATURES, Sources, load_data, prepare_features
from hiss.models.fusion import fuse_selected
from hiss.models.run import make_model, model_type
from hiss.models.stacking import stack_selected
from hiss.models.train import run_experiment
from hiss.sample.export import export_zoom, link_zoom, objects_table

N, ZOOM, SIDE, SAMPLES = 150, 3, 8, 577
SETTINGS = {
    "decision_tree": {"max_depth": 3},
    "lightgbm": {"learning_rate": 0.1, "max_depth": 3, "rounds": 10, "min_data_in_leaf": 5},
}
GAP, DARK = 5, 9  # a target with a gap in its spectrum, and one with missing pixels
STAR = 0  # every tenth target is a star without a label


def make_cube(path, n=N, seed=1, side=SIDE, samples=SAMPLES):
    """Write a dense cube of one zoom; flux follows the label."""
    rng = np.random.default_rng(seed)
    avg = rng.normal(size=n)
    avg[STAR::10] = np.nan
    told = np.nan_to_num(avg)
    images = (told[:, None, None, None] + rng.normal(0, 0.5, (n, len(BANDS), side, side))).astype("f4")
    spectra = (told[:, None] + rng.normal(0, 0.3, (n, samples))).astype("f4")
    spectra[GAP, 100:120], images[DARK, 2, 1, 1] = np.nan, np.nan
    table = pd.DataFrame({"target_id": np.arange(n), "objid": 10**18 + seed * 10**6 + np.arange(n)})
    table = table.assign(ra=10.0 + np.arange(n) / 100, dec=-1.0, z=0.1, avg=avg, p16=avg - 0.2, p84=avg + 0.2)
    table["class"] = np.where(np.isnan(avg), "STAR", "GALAXY")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[TARGETS] = np.asarray(table.to_records(index=False, column_dtypes={"class": "S16"}))
        for name, values in (
            (ml_image_data(ZOOM), images),
            (f"{ml_image_group(ZOOM)}/errors", np.full_like(images, 0.5)),
            (ml_spectrum_data(ZOOM), spectra),
            (f"{ml_spectrum_group(ZOOM)}/errors", np.full_like(spectra, 0.3)),
        ):
            file[name] = values
            file[name].attrs["units"] = FLUX_UNIT
        file[ml_image_data(ZOOM)].attrs["bands"] = list(BANDS)
        file[f"{ml_spectrum_group(ZOOM)}/wl"] = np.tile(np.linspace(3840, 8914, samples), (n, 1))
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A results folder with a cube, its sample, runs of two models on three modalities, and their fusions."""
    results = tmp_path_factory.mktemp("study") / "results"
    dense = make_cube(results / "cube" / "dense.h5")
    sample, arrays = results / "sample", results / "sample" / f"zoom{ZOOM}.h5"
    sample.mkdir()
    export_zoom(dense, ZOOM, arrays)
    objects = objects_table(dense)
    write_table(sample / "objects.parquet", objects)
    whole = objects[~objects["target_id"].isin([GAP, DARK])]
    split = whole[["row", "target_id", "avg"]].assign(group=whole["row"], fold=-1)
    split["split"] = np.resize(["train", "train", "train", "validation", "test"], len(split))
    split.loc[split["split"] == "train", "fold"] = np.arange((split["split"] == "train").sum()) % 5
    write_table(sample / "flag0" / "split.parquet", split)
    for modality in ("photo", "spectra", "early"):
        features = results / "features" / f"{modality}.h5"
        prepare_features(Sources(arrays, objects=sample / "objects.parquet"), split, modality, features, {})
        for model in SETTINGS:
            run_experiment(
                model_type(model), features, described(model, modality), folder_of(results, model, modality), 1
            )
    _select_and_fuse(results)
    return results


def described(model, modality):
    base = {"target": "sfr", "sample": "flag0", "model": model, "modality": modality, "zoom": ZOOM}
    return base | {"name": "a=1", "settings": SETTINGS[model], "seed": 1}


def folder_of(results, model, modality, name="a=1"):
    return results / f"runs/sfr/flag0/{model}/{modality}/zoom{ZOOM}/{name}"


def _select_and_fuse(results):
    runs = [(model, modality) for model in SETTINGS for modality in ("photo", "spectra", "early")]
    paths = [str(folder_of(results, *run).relative_to(results)) for run in runs]
    selection = pd.DataFrame(runs, columns=["model", "modality"]).assign(zoom=ZOOM, path=paths)
    write_table(results / "evaluation" / "selection.csv", selection)
    metrics = [results / path / "metrics.json" for path in paths]
    for model, modality in runs:
        held_out = results / f"evaluation/out_of_fold/{model}/{modality}/zoom{ZOOM}.parquet"
        own = folder_of(results, "decision_tree", modality) / "out_of_fold.parquet"
        write_table(held_out, read_table(own))  # of another model for LightGBM, which is as good for this test
    chosen = results / "evaluation" / "selection.csv"
    fuse_selected(chosen, metrics, "decision_tree", ZOOM, folder_of(results, "decision_tree", "late", "mean"))
    parts = [
        results / f"evaluation/out_of_fold/decision_tree/{name}/zoom{ZOOM}.parquet" for name in ("photo", "spectra")
    ]
    folder = folder_of(results, "decision_tree", "stacked", "ridge")
    stack_selected(chosen, metrics, parts, "decision_tree", ZOOM, folder)


@pytest.mark.parametrize(
    ("model", "modality", "name"),
    [
        *((model, modality, "a=1") for model in SETTINGS for modality in ("photo", "spectra", "early")),
        ("decision_tree", "late", "mean"),
        ("decision_tree", "stacked", "ridge"),
    ],
)
def test_a_run_predicts_on_its_own_cube_what_it_predicted_in_training(study, model, modality, name):
    folder = folder_of(study, model, modality, name)
    table = predict_cube(folder, study / "cube" / "dense.h5")
    assert list(table) == list(COLUMNS)
    assert_array_equal(table["target_id"], np.arange(N))
    known = read_table(folder / "validation.parquet")
    mine = table.set_index("target_id").loc[known["target_id"]]
    assert_allclose(mine["prediction"], known["prediction"], rtol=0, atol=1e-12)
    assert_array_equal(mine["truth"], known["truth"])
    assert set(mine["side"]) == {"validation"}
    split = read_table(study / "sample/flag0/split.parquet")
    assert (table["side"] != "").sum() == len(split)


def test_stars_are_predicted_too_and_have_no_truth(study):
    table = predict_cube(folder_of(study, "decision_tree", "photo"), study / "cube" / "dense.h5")
    stars = table[table["class"] == "STAR"]
    assert len(stars) == N // 10
    assert stars["truth"].isna().all()
    assert stars["prediction"].notna().all()
    assert set(stars["side"]) == {""}


def test_what_is_missing_is_told_and_not_predicted(study):
    cube = study / "cube" / "dense.h5"
    lacks = {
        name: predict_cube(folder_of(study, "decision_tree", modality, settings), cube)
        for name, modality, settings in (
            ("photo", "photo", "a=1"),
            ("spectra", "spectra", "a=1"),
            ("early", "early", "a=1"),
            ("late", "late", "mean"),
        )
    }
    both = {GAP: "a gap in its spectrum", DARK: "missing pixels"}
    wanted = {"photo": {DARK: both[DARK]}, "spectra": {GAP: both[GAP]}, "early": both, "late": both}
    for name, table in lacks.items():
        told = table.loc[table["reason"] != "", "reason"].to_dict()
        assert told == wanted[name], name
        for column in ("prediction", "low", "high"):
            assert_array_equal(table.index[table[column].isna()], sorted(told))
        assert set(table.loc[list(told), "method"]) == {""}


def test_reasons_are_joined_and_an_unknown_redshift_is_one():
    images, spectra = np.ones((3, 5, 2, 2), "f4"), np.ones((3, 4), "f4")
    images[1, 0, 0, 0] = spectra[1, 2] = np.nan
    data = Data.from_arrays(images, spectra, extras=np.array([[0.1], [0.1], [np.nan]], "f4"))
    found = reasons_of(data, Modality.parse("early_z"))
    assert found.tolist() == ["", "missing pixels and a gap in its spectrum", "no redshift"]


def test_targets_without_a_redshift_cannot_be_moved_to_rest_and_the_others_are_predicted(study, tmp_path):
    modality, features = "spectra_rest", tmp_path / "features.h5"
    arrays, sample = study / "sample" / f"zoom{ZOOM}.h5", study / "sample"
    split = read_table(sample / "flag0/split.parquet")
    prepare_features(Sources(arrays, objects=sample / "objects.parquet"), split, modality, features, {})
    results = tmp_path / "results"
    folder = folder_of(results, "decision_tree", modality)
    run_experiment(model_type("decision_tree"), features, described("decision_tree", modality), folder, 1)
    whole = predict_cube(folder, study / "cube" / "dense.h5")
    lost = {3: np.nan, 4: -2.0}
    cube = without_redshifts(make_cube(tmp_path / "dense.h5"), lost)
    table = predict_cube(folder, cube)
    assert table.loc[table["reason"] != "", "reason"].to_dict() == dict.fromkeys(lost, "no redshift") | {
        GAP: "a gap in its spectrum"
    }
    assert_array_equal(table.index[table["prediction"].isna()], [*lost, GAP])
    assert_array_equal(table["prediction"].drop(list(lost)), whole["prediction"].drop(list(lost)))
    none = predict_cube(folder, without_redshifts(cube, dict.fromkeys(range(N), np.nan)))
    assert none["prediction"].isna().all()
    assert set(none["reason"]) == {"no redshift"}


def without_redshifts(path, lost):
    """Write other redshifts into a cube and return it."""
    with h5py.File(path, "a") as file:
        targets = file[TARGETS][()]
        for target, z in lost.items():
            targets["z"][target] = z
        file[TARGETS][()] = targets
    return path


@pytest.mark.parametrize(
    ("modality", "name"), [("photo", "a=1"), ("early", "a=1"), ("late", "mean"), ("stacked", "ridge")]
)
def test_intervals_are_those_of_the_out_of_fold_residuals(study, modality, name):
    folder = folder_of(study, "decision_tree", modality, name)
    table = predict_cube(folder, study / "cube" / "dense.h5", level=0.8).dropna(subset="prediction")
    assert set(table["method"]) == {"residuals"}
    half = (table["high"] - table["low"]) / 2
    assert_allclose(half, half.iloc[0])
    assert_allclose((table["high"] + table["low"]) / 2, table["prediction"])
    if modality in ("photo", "early"):
        split = read_table(study / "sample/flag0/split.parquet")
        assert half.iloc[0] == pytest.approx(half_width(read_table(folder / "out_of_fold.parquet"), split, 0.8))
    wider = predict_cube(folder, study / "cube" / "dense.h5", level=0.95).dropna(subset="prediction")
    assert (wider["high"] - wider["low"]).iloc[0] > 2 * half.iloc[0]


def test_only_a_selected_run_takes_the_selected_run_s_out_of_fold_predictions(study, tmp_path):
    cube = study / "cube" / "dense.h5"
    selected = predict_cube(folder_of(study, "lightgbm", "photo"), cube)
    assert set(selected.loc[selected["prediction"].notna(), "method"]) == {"residuals"}
    other = folder_of(study, "lightgbm", "photo", "b=2")
    other.mkdir()
    for name in ("metrics.json", "model.txt"):
        (other / name).write_bytes((folder_of(study, "lightgbm", "photo") / name).read_bytes())
    unselected = predict_cube(other, cube)
    assert_array_equal(unselected["prediction"], selected["prediction"])
    assert unselected["low"].isna().all()
    assert set(unselected["method"]) == {""}


def test_members_of_a_variant_predict_by_their_mean(study):
    cube, alone = study / "cube" / "dense.h5", folder_of(study, "decision_tree", "photo")
    variant = folder_of(study, "decision_tree", "photo", "variant=two_seeds")
    for number, source in enumerate([alone, folder_of(study, "decision_tree", "photo", "deeper")], start=1):
        if not source.exists():
            run = described("decision_tree", "photo") | {"settings": {"max_depth": 5}}
            run_experiment(model_type("decision_tree"), study / "features" / "photo.h5", run, source, 1)
        (variant / "models" / f"seed{number}").mkdir(parents=True)
        for name in ("model.json", "model.npz"):
            (variant / "models" / f"seed{number}" / name).write_bytes((source / name).read_bytes())
    (variant / "metrics.json").write_bytes((alone / "metrics.json").read_bytes())
    one, other, both = (predict_cube(path, cube)["prediction"] for path in (alone, source, variant))
    assert (one != other).sum() > 10
    assert_allclose(both, (one + other) / 2)


def test_baselines_predict_too(small_cube, tmp_path):
    cube = small_cube("full") / "hiss_cube.h5"
    labelled = objects_table(cube)
    lines = pd.DataFrame(np.tile([0.1, 50.0, 1.0, 15.0, 1.0], (len(labelled), 1)), columns=list(LINE_FEATURES))
    link_zoom(cube, 0, tmp_path / "zoom0.h5")
    write_table(tmp_path / "lines.parquet", lines.assign(row=labelled["target_id"]))
    sources = Sources(tmp_path / "zoom0.h5", lines=tmp_path / "lines.parquet")
    for name, modality in (("mean", "none"), ("magnitudes", "photo"), ("halpha", "lines")):
        data, _ = load_data(sources, labelled["target_id"], modality, labelled["avg"])
        model = make_model(name, {}, modality)
        model.fit(data, data)
        folder = folder_of(tmp_path, name, modality)
        model.save(folder)
        run = {"sample": "flag0", "model": name, "modality": modality, "zoom": 0}
        (folder / "metrics.json").write_text(json.dumps({"run": run}))
        table = predict_cube(folder, cube)
        assert np.isfinite(table["prediction"]).all(), name
        assert set(table["reason"]) == {""}
        if name == "mean":
            assert_allclose(table["prediction"], labelled["avg"].mean())
        else:
            assert table["prediction"].nunique() > 5, name


def test_blocks_do_not_change_predictions_and_another_cube_holds_none_of_the_run_s_objects(
    study, tmp_path, monkeypatch
):
    other = make_cube(tmp_path / "other.h5", n=40, seed=2)
    folder = folder_of(study, "lightgbm", "early")
    whole = predict_cube(folder, other)
    monkeypatch.setattr("hiss.evaluation.predict._BLOCK_VALUES", 900 * 7)
    pd.testing.assert_frame_equal(whole, predict_cube(folder, other))
    assert set(whole["side"]) == {""}
    known = whole.dropna(subset=["prediction", "truth"])
    assert np.corrcoef(known["prediction"], known["truth"])[0, 1] > 0.8


# ---- what cannot be done is said in a sentence ----


def test_mistakes_are_told(study, tmp_path):
    cube, folder = study / "cube" / "dense.h5", folder_of(study, "decision_tree", "spectra")
    with pytest.raises(HissError, match=r"holds no metrics.json; name the folder of a run"):
        predict_cube(study / "runs", cube)
    with pytest.raises(HissError, match="there is no such file"):
        predict_cube(folder, tmp_path / "none.h5")
    with pytest.raises(HissError, match="is not a HiSS-Cube"):
        predict_cube(folder, study / "sample" / f"zoom{ZOOM}.h5")
    bare = folder_of(study, "decision_tree", "spectra", "variant=x")
    bare.mkdir()
    (bare / "metrics.json").write_bytes((folder / "metrics.json").read_bytes())
    with pytest.raises(HissError, match=r"has no model.json or model.npz, so its model cannot predict"):
        predict_cube(bare, cube)
    told = json.loads((folder / "metrics.json").read_text())
    told["run"]["zoom"] = 2
    (bare / "metrics.json").write_text(json.dumps(told))
    with pytest.raises(HissError, match=r"holds no /dense_cube/2/.*; name a cube with zoom 2"):
        predict_cube(bare, cube)
    (bare / "metrics.json").write_text("{}")
    with pytest.raises(HissError, match="does not say the run's modality, model, sample, zoom"):
        predict_cube(bare, cube)


def test_a_cube_of_another_form_is_told(study, tmp_path):
    photo, spectra = (folder_of(study, "decision_tree", name) for name in ("photo", "spectra"))
    with pytest.raises(HissError, match="was trained on 320 features where the cube has 80"):
        predict_cube(photo, make_cube(tmp_path / "small.h5", side=4))
    with pytest.raises(HissError, match="at other wavelengths"):
        predict_cube(spectra, make_cube(tmp_path / "short.h5", samples=500))
    scaled = make_cube(tmp_path / "scaled.h5")
    with h5py.File(scaled, "a") as file:
        file[ml_image_data(ZOOM)].attrs["units"] = "nanomaggy"
    with pytest.raises(HissError, match=f"is in nanomaggy where {FLUX_UNIT} is due"):
        predict_cube(photo, scaled)


# ---- files ----


@pytest.fixture(scope="module")
def predicted(study):
    return predict_cube(folder_of(study, "decision_tree", "early"), study / "cube" / "dense.h5")


def test_parquet_and_csv_come_back(predicted, tmp_path):
    for name in ("p.parquet", "p.csv"):
        write_described(tmp_path / name, predicted, COLUMNS, {"run": "x"}, "What a run says")
        back = read_table(tmp_path / name)
        for column in ("target_id", "objid", "prediction", "low", "truth"):
            assert_array_equal(back[column], predicted[column])
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert schema.field("prediction").metadata[b"unit"] == b"log10(M_sun yr-1)"
    assert json.loads(schema.metadata[b"provenance"]) == {"run": "x"}


def test_fits_has_units_and_ucds(predicted, tmp_path):
    write_described(tmp_path / "p.fits", predicted, COLUMNS, {"run": "x" * 200}, "What a run says")
    with fits.open(tmp_path / "p.fits") as hdus:
        header, data = hdus[1].header, hdus[1].data
        assert_array_equal(data["prediction"], predicted["prediction"])
        assert_array_equal(data["objid"], predicted["objid"])
        assert data["reason"].tolist() == predicted["reason"].tolist()
    place = list(COLUMNS).index("prediction") + 1
    assert (header[f"TUNIT{place}"], header[f"TUCD{place}"]) == ("log(solMass/yr)", "phys.SFR")
    assert "x" * 200 in "".join(header["HISTORY"])


def test_votable_has_units_and_ucds(predicted, tmp_path):
    write_described(tmp_path / "p.vot", predicted, COLUMNS, {"run": "x"}, "What a run says")
    votable, back = parse_single_table(tmp_path / "p.vot"), Table.read(tmp_path / "p.vot")
    told = {field.name: (field.ucd, str(field.unit or "")) for field in votable.fields}
    assert told["ra"] == ("pos.eq.ra;meta.main", "deg")
    assert told["prediction"] == ("phys.SFR", "log(solMass/yr)")
    assert {name: ucd for name, (ucd, _) in told.items()} == {name: column.ucd for name, column in COLUMNS.items()}
    assert_array_equal(np.asarray(back["prediction"].filled(np.nan)), predicted["prediction"])
    assert back.meta["description"] == "What a run says"


def test_the_command_writes_and_says(study, repo, tmp_path):
    command = [sys.executable, repo / "workflow/scripts/predict.py"]
    run, cube = folder_of(study, "lightgbm", "early"), study / "cube" / "dense.h5"
    arguments = ["--run", run, "--cube", cube, "--out", tmp_path / "p.fits"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    assert f"{N - 2} of {N} targets predicted; not predicted: 1 with" in done.stderr
    assert len(fits.getdata(tmp_path / "p.fits")) == N
    told = json.loads("".join(fits.getheader(tmp_path / "p.fits", 1)["HISTORY"]).removeprefix("provenance: "))
    assert told["settings"] == {"run": str(run.relative_to(study)), "level": 0.9}
    wrong = subprocess.run([*command, *arguments[:-1], tmp_path / "p.txt"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: ")
    assert "predictions are written as .parquet, .csv, .fits, .vot" in wrong.stderr
    assert not (tmp_path / "p.txt").exists()
