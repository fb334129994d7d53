"""What a training job costs before and after its fit: our imports, reading, metrics and files, on next to no data.

Its model's library and Snakemake's own part are not ours and are told apart or left out.

Run: .venv/bin/python benchmarks/start.py [--repeats 3]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

import h5py
import numpy as np
import pandas as pd

from hiss.files import write_table
from hiss.models.features import Sources, prepare_features

MODELS = {
    "decision_tree": ("tree", "sklearn.tree", {"max_depth": 2}),
    "lightgbm": ("lgbm", "lightgbm", {"max_depth": 2, "rounds": 2}),
    "vggnet12": ("vgg", "torch", {"width": 1, "epochs": 1}),
}
"""Module, library and quick settings of each model."""

JOB = """
import json, sys, time
start = time.perf_counter()
import {library}
library = time.perf_counter() - start
start = time.perf_counter()
sys.path.insert(0, {scripts!r})
from hiss.script import job
from hiss.models.{module} import {kind}
from hiss.models.train import run_experiment
imports = time.perf_counter() - start
start = time.perf_counter()
with job({folder!r} + "/log"):
    told = run_experiment({kind}, {features!r}, json.loads({run!r}), {folder!r}, 1, [{script!r}])
whole = time.perf_counter() - start
fitting = sum(told["time"][name] for name in ("fit_s", "predict_s", "cv_s"))
print(json.dumps({{"library": library, "imports": imports, "rest": whole - fitting}}))
"""
KINDS = {"decision_tree": "DecisionTree", "lightgbm": "LightGBM", "vggnet12": "VGGNet12"}


def prepare(folder: Path, n: int = 60) -> Path:
    """Write prepared features of a few small cutouts and return their path."""
    rng = np.random.default_rng(1)
    with h5py.File(folder / "zoom3.h5", "w") as file:
        file["images"] = rng.normal(size=(n, 5, 8, 8)).astype("f4")
        file["image_sigma"] = np.ones((n, 5, 8, 8), "f4")
        file["target_id"] = np.arange(n)
    rows = np.arange(n)
    split = pd.DataFrame({"row": rows, "target_id": rows, "avg": rng.normal(size=n), "fold": rows % 5})
    split["split"] = np.where(rows < n // 2, "train", "validation")
    write_table(folder / "objects.parquet", pd.DataFrame({"row": rows, "z": 0.1, "p16": 0.0, "p84": 0.4}))
    sources = Sources(folder / "zoom3.h5", objects=folder / "objects.parquet")
    prepare_features(sources, split, "photo", folder / "features.h5", {})
    return folder / "features.h5"


def start_up(model: str, repeats: int = 3) -> dict[str, float]:
    """Return the seconds of a job that are not its fit, its predictions or its folds, the least of some processes.

    ``library``: the import of the model's library; ``imports``: what ours import beyond it; ``rest``: opening the
    features, metrics, provenance, files.
    """
    module, library, settings = MODELS[model]
    run = {"target": "sfr", "sample": "flag0", "model": model, "modality": "photo", "zoom": 3, "name": "a", "seed": 1}
    found = []
    with tempfile.TemporaryDirectory() as name:
        features = prepare(Path(name))
        code = JOB.format(
            library=library, scripts=str(SCRIPTS), module=module, kind=KINDS[model], features=str(features),
            run=json.dumps(run | {"settings": settings}), folder=f"{name}/run", script=str(SCRIPTS / "train_tree.py"),
        )  # fmt: skip
        for _ in range(repeats):
            done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout))
    return {name: min(one[name] for one in found) for name in found[0]}


def main() -> None:
    """Print a table: a row a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="processes for each model; the least counts")
    repeats = parser.parse_args().repeats
    print("| model | its library [s] | our imports [s] | the rest of the job [s] | ours [s] |\n|---|---|---|---|---|")
    for model in MODELS:
        told = start_up(model, repeats)
        ours = told["imports"] + told["rest"]
        print(f"| {model} | {told['library']:.2f} | {told['imports']:.2f} | {told['rest']:.2f} | {ours:.2f} |")


if __name__ == "__main__":
    main()
