"""The documentation's examples run."""

import re

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from miniature_exports import best_catalogue, deposit, said
from miniature_results import Study, evaluate, make_results

from hiss.config.cube import Cube
from hiss.cube.intact import SUFFIX
from hiss.deposit.crate import describe
from hiss.deposit.predictions import ALL_COLUMNS as EVERY
from hiss.deposit.predictions import COLUMNS as BEST
from hiss.deposit.predictions import all_predictions
from hiss.described import Column, write_described
from hiss.errors import HissError
from hiss.files import write_json, write_table
from hiss.models.features import Sources, load_data
from hiss.models.lgbm import LightGBM
from hiss.sample.export import export_zoom, objects_table


@pytest.mark.parametrize("mode", ["full", "targets"])
def test_the_examples_of_reading_run(small_cube, repo, tmp_path, monkeypatch, capsys, mode):
    text = (repo / "docs" / "reading.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 8
    (tmp_path / "results" / "demo").mkdir(parents=True)
    (tmp_path / "results" / "demo" / "cube").symlink_to(small_cube(mode))
    train_on_cube(tmp_path / "results" / "demo")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        whole_frame = "frame.read(" in block and mode == "targets"
        if whole_frame:
            with pytest.raises(HissError, match="holds no whole frames"):
                exec(compile(block, "docs/reading.md", "exec"), names)
        else:
            exec(compile(block, "docs/reading.md", "exec"), names)
    assert names["near"].rows.tolist() == names["same"].rows.tolist()
    assert len(names["chosen"]) > 3
    assert names["images"].flux.shape == (len(names["chosen"]), 5, 32, 32)
    assert len(names["epochs"]) == len(names["every"]) == 2
    assert np.isfinite(names["many"].flux.value).any()
    assert names["rates"]["prediction"].notna().sum() == 17
    assert len(names["galaxies"]) > 3
    assert Table.read("targets.fits")["ra"].unit == "deg"
    assert "17 targets, 13 of them with a star formation rate" in capsys.readouterr().out


def train_on_cube(results):
    """Leave behind what a study has of its selected run: a model of the cube's labelled targets, and the selection."""
    arrays, settings = results / "zoom3.h5", {"max_depth": 2, "rounds": 3, "min_data_in_leaf": 2}
    export_zoom(results / "cube" / "dense.h5", 3, arrays)
    objects = objects_table(results / "cube" / "dense.h5")
    data, _ = load_data(Sources(arrays), objects["row"], "photo", objects["avg"])
    model = LightGBM("photo", **settings)
    model.fit(data, data)
    run = {"model": "lightgbm", "modality": "photo", "zoom": 3}
    path = "runs/sfr/flag0/lightgbm/photo/zoom3/a=1"
    model.save(results / path)
    write_json(results / path / "metrics.json", {"run": run | {"sample": "flag0", "settings": settings}})
    write_table(results / "evaluation" / "selection.csv", pd.DataFrame([run | {"path": path}]))


def test_every_choice_of_the_config_is_described_with_its_default(repo):
    text = (repo / "docs" / "cube-format.md").read_text()
    (section,) = re.findall(r"^## Choices.*?^## ", text, re.MULTILINE | re.DOTALL)
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
    told = {}
    for names, defaults, _ in rows:
        values = [value.strip() for value in defaults.split(",")]
        keys = re.findall(r"`(\w+)`", names)
        told |= dict(zip(keys, values if len(values) == len(keys) else [*values, "null"], strict=True))
    for name, field in Cube.model_fields.items():
        default = {None: "null", False: "false", True: "true"}.get(field.default, str(field.default))
        assert told.pop(name) == default, name
    assert not told


@pytest.mark.parametrize("mode", ["full", "targets"])
def test_everything_in_a_cube_is_named_in_its_format(small_cube, repo, mode):
    text = (repo / "docs" / "cube-format.md").read_text()
    for name in ("sparse.h5", "links.h5", "dense.h5"):
        with h5py.File(small_cube(mode) / name) as file:
            paths: list[str] = []
            file.visit(paths.append)
            found = [path for path in paths if isinstance(file[path], h5py.Dataset)]
        assert found
        for path in found:
            leaf = re.sub(r"_zoom_\d", "_zoom_<zoom>", path.rpartition("/")[2]).removesuffix(SUFFIX)
            leaf = "image_cutouts_data|_errors|_metadata" if leaf.startswith("image_cutouts_") else leaf
            assert re.search(rf"^ *([^|\n]*, )?{re.escape(leaf)}(?!\w)", text, re.MULTILINE), path


def test_the_examples_of_exports_run(repo, tmp_path, monkeypatch, capsys):
    study = Study(("decision_tree", "lightgbm"), (3,), variants=False, cascade=False)
    folder = evaluate(make_results(tmp_path / "made", study, n=120), study)
    given = deposit(folder, repo)
    write_json(folder / "ro-crate-metadata.json", describe(given))
    write_described(folder / "exports/predictions.vot", best_catalogue(folder), BEST, {}, "The best run")
    write_described(folder / "exports/predictions_all.parquet", all_predictions(said(folder)), EVERY, {}, "All")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "demo").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (repo / "docs" / "exports.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/exports.md", "exec"), names)
    told = capsys.readouterr().out
    assert "galaxies that no choice has seen; deg Predicted log10 of the star formation rate" in told
    assert "exports/workflow/Snakefile" in told
    assert len(names["rmse"]) == len(said(folder).metrics)


def test_the_columns_of_exports_are_those_of_the_code(repo):
    text = (repo / "docs" / "exports.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\| `([^`]+)` \| ([^|]+) \|$", text, re.MULTILINE)
    assert {name: Column(unit, ucd, meaning) for name, unit, ucd, meaning in rows} == BEST
    assert [name for name, *_ in rows] == list(BEST)
