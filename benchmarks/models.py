"""What a training run costs against one bare `fit`, and what each zoom and modality costs, at the thesis's size.

    python benchmarks/models.py            a quarter of an hour on 2 cores
    python benchmarks/models.py --grid     with the zoom-3 grid of trees and LightGBM run whole
    python benchmarks/models.py --quick    600 objects, coarse zooms: whether it runs

The objects come from the simulator's array generator, without FITS; 60 % of them are trained on. Each measurement is a
process of its own, so that its peak memory is its own; what a process takes to start and import is not in its time.
Ratios are of two times, or of two processes' peak memory, of one run of this program. MB are the resident set's growth
over the imports; mapped pages of the features count as far as they are touched.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
SCRIPTS = REPO / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

import h5py
import numpy as np
import pandas as pd

from hiss.models.features import SIDES, Sources, open_part, prepare_features
from hiss.models.train import open_parts, run_experiment
from hiss.script import Stopwatch, peak_memory_mb

MODALITIES = ("photo", "spectra", "early")
LEARNING_RATES = (0.01, 0.03, 0.1, 0.3)
DEPTHS = {"decision_tree": range(1, 7), "lightgbm": range(3, 11)}
TYPICAL = {"decision_tree": {"max_depth": 4}, "lightgbm": {"learning_rate": 0.1, "max_depth": 8}}
SCRIPT_LIBRARIES = {
    "train_tree.py": ("sklearn.tree", "hiss.models.tree"),
    "train_lightgbm.py": ("lightgbm", "hiss.models.lgbm"),
    "train_cnn.py": ("torch", "hiss.models.vgg"),
}

Measured = dict[str, Any]


# ---- the sample ----


def make_sample(folder: Path, n: int, zooms: Sequence[int]) -> None:
    """Write the arrays, objects and split of a sample as its floor does."""
    from hiss.sky.arrays import simulate_objects

    made = simulate_objects(n, seed=1, zooms=zooms)
    for zoom in zooms:
        with h5py.File(folder / f"zoom{zoom}.h5", "w") as file:
            for name in ("images", "image_sigma", "spectra", "spectrum_sigma", "wl"):
                file[name] = getattr(made, name)[zoom]
            file["target_id"] = np.arange(n)
    rng = np.random.default_rng(1)
    side = rng.permutation(
        np.array(["train", "validation", "test"])[np.searchsorted([0.6, 0.8], np.arange(n) / n, "right")]
    )
    fold = np.where(side == "train", rng.integers(0, 5, n), -1)
    row = np.arange(n)
    split = pd.DataFrame({"row": row, "target_id": row, "group": row, "avg": made.avg, "split": side, "fold": fold})
    split.to_parquet(folder / "split.parquet")
    objects = pd.DataFrame({"row": row, "p16": made.avg - 0.25, "p84": made.avg + 0.25, "z": made.truth["z"]})
    objects.to_parquet(folder / "objects.parquet")


# ---- what a process measures; its result is its last line ----


def prepare(folder: Path, modality: str, zoom: int) -> Measured:
    """Put together the features of one modality and zoom."""
    sources = Sources(folder / f"zoom{zoom}.h5", objects=folder / "objects.parquet")
    prepare_features(
        sources, pd.read_parquet(folder / "split.parquet"), modality, features_of(folder, modality, zoom), {}
    )
    return {}


def bin_once(folder: Path, modality: str, zoom: int, threads: int) -> Measured:
    """Make LightGBM's bins of them."""
    from hiss.models.bins import bin_features

    bin_features(features_of(folder, modality, zoom), 63, *bins_of(folder, modality, zoom), threads)
    return {}


def bin_plainly(folder: Path, modality: str, zoom: int, threads: int) -> Measured:
    """Bin the training objects with LightGBM's own settings."""
    import lightgbm as lgb

    train = open_part(features_of(folder, modality, zoom), "train").data
    lgb.Dataset(train.features, label=train.target, params={"verbosity": -1, "num_threads": threads}).construct()
    return {}


def run(folder: Path, model: str, modality: str, zoom: int, settings: Measured, threads: int) -> Measured:
    """Do what a training job does."""
    from hiss.models.run import model_type

    bins: Sequence[Path] = bins_of(folder, modality, zoom) if model == "lightgbm" else ()
    run = {"model": model, "modality": modality, "zoom": zoom, "name": "x", "settings": settings, "seed": 1}
    with tempfile.TemporaryDirectory(dir=folder) as out:
        metrics = run_experiment(model_type(model), features_of(folder, modality, zoom), run, out, threads, bins=bins)
        iterations = len(pd.read_csv(Path(out) / "curve.csv"))
    return {"iterations": iterations, "rmse": metrics["validation"]["rmse"], "fit_s": metrics["time"]["fit_s"]}


def fit_lightgbm(folder: Path, modality: str, zoom: int, settings: Measured, rounds: int, threads: int) -> Measured:
    """Fit LightGBM bare, on bins that lie ready, with the same parameters for the same number of iterations."""
    import lightgbm as lgb

    from hiss.models.bins import open_bins
    from hiss.models.lgbm import LightGBM

    train, validation = (
        part.data for part in open_parts(features_of(folder, modality, zoom), bins_of(folder, modality, zoom))
    )
    parameters = LightGBM(modality, threads=threads, **settings)._parameters(train)
    bins = open_bins(train, validation, 63, threads)
    lgb.train({**parameters, "metric": "rmse"}, bins[0], rounds, valid_sets=[bins[1]])
    return {}


def fit_tree(folder: Path, modality: str, zoom: int, settings: Measured) -> Measured:
    """Fit scikit-learn's tree bare: once on all training objects, once without each fold."""
    from sklearn.tree import DecisionTreeRegressor

    data, table = open_part(features_of(folder, modality, zoom), "train")
    for fold in [-1, *sorted(table["fold"].unique())]:
        weight = (table["fold"] != fold).to_numpy(dtype=np.float64)
        DecisionTreeRegressor(**settings, random_state=1).fit(data.features, data.target, sample_weight=weight)
    return {}


def train_cnn(folder: Path, modality: str, zoom: int, width: int, objects: int, threads: int) -> Measured:
    """Train the network for a few epochs, and the same network on random data that lie on the device."""
    from hiss.models.throughput import throughput
    from hiss.models.vgg import VGGNet12

    train = open_part(features_of(folder, modality, zoom), "train").data
    part = train.take(np.arange(min(objects, len(train))))
    found = throughput(VGGNet12(modality, learning_rate=1e-5, width=width, threads=threads), part)
    return {"device": found.device, "real": found.real, "share": found.ratio}


CHILDREN: dict[str, Callable[..., Measured]] = {
    function.__name__: function for function in (prepare, bin_once, bin_plainly, run, fit_lightgbm, fit_tree, train_cnn)
}


def child(name: str, arguments: str) -> None:
    """Measure in this process; its libraries are imported before the clock starts."""
    given = json.loads(arguments)
    for module in given.pop("before", []):
        importlib.import_module(module)
    if "folder" in given:
        given["folder"] = Path(given["folder"])
    start_up = peak_memory_mb()
    cores = time.process_time()
    with Stopwatch() as watch:
        found = CHILDREN[name](**given)
    cores, peak = time.process_time() - cores, peak_memory_mb()
    print(json.dumps({"s": watch.seconds, "core_s": cores, "mb": peak - start_up, "process_mb": peak, **found}))


def measure(name: str, before: Sequence[str] = (), **arguments: Any) -> Measured:
    """Measure in a process of its own."""
    given = json.dumps({"before": list(before), **arguments}, default=str)
    threads = {"OMP_NUM_THREADS": str(arguments["threads"])} if "threads" in arguments else {}
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, given],
        capture_output=True,
        text=True,
        env=os.environ | threads,
    )
    if done.returncode:
        raise SystemExit(f"{name} {given} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def features_of(folder: Path, modality: str, zoom: int) -> Path:
    """Path of the prepared features."""
    return folder / f"{modality}_zoom{zoom}.h5"


def bins_of(folder: Path, modality: str, zoom: int) -> tuple[Path, Path]:
    """Paths of their bins."""
    train, validation = (folder / f"{modality}_zoom{zoom}_{side}.bins" for side in SIDES)
    return train, validation


# ---- the tables ----


def show(title: str, columns: str, rows: Iterator[Sequence[Any]]) -> None:
    """Print a Markdown table, a row when it is known."""
    names = columns.split(", ")
    print(f"\n{title}\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(
            f"| {' | '.join(f'{value:.3g}' if isinstance(value, float) else str(value) for value in row)} |", flush=True
        )


def preparation(folder: Path, zooms: Sequence[int], threads: int, plainly: bool) -> Iterator[Sequence[Any]]:
    """Yield what features and bins cost, at each zoom and modality."""
    for zoom, modality in product(zooms, MODALITIES):
        at: Measured = {"folder": folder, "modality": modality, "zoom": zoom}
        made = measure("prepare", **at)
        binned = measure("bin_once", before=["lightgbm"], threads=threads, **at)
        plain = (
            measure("bin_plainly", before=["lightgbm"], threads=threads, **at)["core_s"] if plainly else float("nan")
        )
        train = open_part(features_of(folder, modality, zoom), "train").data.features
        mb = train.nbytes / 1e6
        yield zoom, modality, train.shape[1], mb, made["core_s"], made["mb"], binned["core_s"], binned["mb"], plain


def against_bare_fits(folder: Path, zooms: Sequence[int], threads: int) -> Iterator[Sequence[Any]]:
    """Yield a run of each tree model against its bare fit, at each zoom and modality."""
    for model, zoom, modality in product(TYPICAL, zooms, MODALITIES):
        at: Measured = {"folder": folder, "modality": modality, "zoom": zoom, "settings": TYPICAL[model]}
        libraries = ["sklearn.tree", "hiss.models.tree"] if model == "decision_tree" else ["hiss.models.lgbm"]
        whole = measure("run", before=libraries, model=model, threads=threads, **at)
        if model == "lightgbm":
            bare = measure("fit_lightgbm", before=libraries, rounds=whole["iterations"], threads=threads, **at)
        else:
            bare = measure("fit_tree", before=libraries, **at)
        mb = open_part(features_of(folder, modality, zoom), "train").data.features.nbytes / 1e6
        ratios = [whole[key] / bare[key] for key in ("s", "core_s", "process_mb")]
        yield model, zoom, modality, whole["iterations"], whole["core_s"], whole["mb"], *ratios, whole["mb"] / mb


def grid(folder: Path, zoom: int, whole: bool) -> float:
    """Return the minutes that the trees' and LightGBM's grid at a zoom takes two processes of one thread each.

    Not ``whole``: of each model's depths one in the middle is run, and stands for all.
    """
    points = [
        (model, modality, {"max_depth": depth} | ({"learning_rate": rate} if rate else {}))
        for model, rates in (("decision_tree", (None,)), ("lightgbm", LEARNING_RATES))
        for modality, rate in product(MODALITIES, rates)
        for depth in (DEPTHS[model] if whole else [int(np.median(DEPTHS[model]))])
    ]

    def seconds(point: tuple[str, str, Measured]) -> float:
        model, modality, settings = point
        start = time.perf_counter()
        measure("run", folder=folder, model=model, modality=modality, zoom=zoom, settings=settings, threads=1)
        return (time.perf_counter() - start) * (1 if whole else len(DEPTHS[model]))

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(seconds, points)) / 2 / 60


def cnn_rates(folder: Path, args: argparse.Namespace) -> Iterator[Sequence[Any]]:
    """Yield the samples/s of the CNN's training, and their share of those on random resident data."""
    for zoom, modality in product(args.zooms, MODALITIES):
        at: Measured = {"folder": folder, "modality": modality, "zoom": zoom, "threads": args.threads}
        found = measure("train_cnn", before=["hiss.models.vgg"], width=args.width, objects=args.cnn_objects, **at)
        yield found["device"], args.width, zoom, modality, found["real"], found["share"]


def start_up(repeats: int = 3) -> Iterator[Sequence[Any]]:
    """Yield what importing a training script's library takes beyond the libraries it stands on."""
    for script, (library, ours) in SCRIPT_LIBRARIES.items():
        code = (
            "import sys, time; sys.path.insert(0, sys.argv[1]); start = time.perf_counter(); "
            f"import numpy, pandas, h5py, pyarrow.parquet, {library}; theirs = time.perf_counter(); "
            f"import hiss.models.train, {ours}; print(theirs - start, time.perf_counter() - theirs)"
        )
        found = [
            subprocess.run([sys.executable, "-c", code, str(SCRIPTS)], stdout=subprocess.PIPE, text=True, check=True)
            for _ in range(repeats)
        ]
        yield script, library, *np.min([np.array(done.stdout.split(), dtype=float) for done in found], axis=0)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=11_179)
    parser.add_argument("--zooms", type=int, nargs="+", default=[3, 2, 1, 0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--grid", action="store_true", help="run the zoom-3 grid whole")
    parser.add_argument("--quick", action="store_true", help="few objects and coarse zooms")
    parser.add_argument("--width", type=int, default=64, help="of the CNN")
    parser.add_argument("--cnn-objects", type=int, default=256, help="that its throughput is measured on; all on a GPU")
    parser.add_argument("--folder", type=Path, help="where the sample is made, or found; else a temporary one")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        return child(*args.child)
    if args.quick:
        args.objects, args.zooms, args.width = 600, [3, 2], 8
    with tempfile.TemporaryDirectory() as name:
        folder = args.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "objects.parquet").is_file():
            make_sample(folder, args.objects, args.zooms)
        report(folder, args)
    return None


def report(folder: Path, args: argparse.Namespace) -> None:
    """Print every table."""
    print(f"{args.objects} objects, {args.threads} thread(s) a process; core-s are seconds of a core, of all threads")
    show(
        "Features put together, and binned",
        "zoom, modality, features, MB, prepare [core-s], [MB], bin [core-s], [MB], by LightGBM's own settings [core-s]",
        preparation(folder, args.zooms, args.threads, plainly=not args.quick),
    )
    show(
        "A run against a bare fit on prepared data",
        "model, zoom, modality, iterations, run [core-s], [MB], time ratio, core-s ratio, memory ratio, MB / features",
        against_bare_fits(folder, args.zooms, args.threads),
    )
    show("The CNN", "device, width, zoom, modality, samples/s, share of random resident data", cnn_rates(folder, args))
    show("Start-up", "script, its library, importing that [s], and ours [s]", start_up())
    zoom, how = max(args.zooms), "run whole" if args.grid else "estimated from one depth of each"
    print(f"\nThe zoom-{zoom} grid of trees and LightGBM on 2 cores, {how}: {grid(folder, zoom, args.grid):.1f} min")


if __name__ == "__main__":
    main()
