"""The predictions of a trained run on any cube: all its targets, with or without a label."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.cube.store import Store
from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.evaluation.predicted import Predicted, with_interval
from hiss.evaluation.prediction_table import COLUMNS
from hiss.evaluation.quantile_ends import predict_quantiles
from hiss.files import read_json, read_table, write_table
from hiss.modality import ENVIRONMENT, FUSIONS, SINGLE, Modality
from hiss.models.base import Data, Model
from hiss.models.features import Sources, load_data
from hiss.models.fusion import late_fusion
from hiss.models.rest_frame import has_redshift
from hiss.models.run import model_type
from hiss.models.stacking import Stack, apply_stack
from hiss.progress import progress, say
from hiss.sample.choice import Treatment
from hiss.sample.export import link_zoom, targets_table
from hiss.sample.lines import measure_lines
from hiss.sample.treatment import Treated
from hiss.sdss.labels import is_label

_BLOCK_VALUES: Final = 2**26  # features held at once: 256 MB
_NO_FILES: Final = pd.DataFrame({name: [] for name in ("kind", "path", "plate", "mjd", "fiber")})
_NO_REDSHIFT: Final = "no redshift"
_LEVELS: Final = 6  # folders between that of a run and that of the results


@dataclass(frozen=True)
class _Run:
    """The folder of a run or a fusion, and what its metrics.json says it is."""

    folder: Path
    told: Mapping[str, Any]
    treatment: Treatment
    """What its sample's choice did to the arrays it was trained on."""

    @classmethod
    def of(cls, folder: Path) -> "_Run":
        path = folder / "metrics.json"
        if not path.is_file():
            raise HissError(
                f"{folder}: holds no metrics.json; name the folder of a run, .../runs/<target>/<sample>/<model>/"
                "<modality>/zoom<k>/<settings>, as in the column path of evaluation/selection.csv"
            )
        metrics = read_json(path)
        told, treatment = metrics.get("run", {}), metrics.get("treatment", {})
        missing = {"model", "modality", "zoom", "sample"} - set(told)
        if missing:
            raise HissError(f"{path}: does not say the run's {', '.join(sorted(missing))}; rerun the run")
        return cls(folder.absolute(), told, Treatment(**treatment))

    @property
    def model(self) -> str:
        return str(self.told["model"])

    @property
    def modality(self) -> str:
        return str(self.told["modality"])

    @property
    def zoom(self) -> int:
        return int(self.told["zoom"])

    @property
    def name(self) -> str:
        return f"{self.model}, {self.modality}, zoom {self.zoom}"

    @property
    def results(self) -> Path:
        return self.folder.parents[_LEVELS]

    def part(self, modality: str) -> "_Run":
        """The photo or the spectra run of a fusion."""
        zoom = self.folder.parent.name
        return _Run.of(self.folder.parents[2] / modality / zoom / str(self.told["settings"][modality]))

    @cached_property
    def selected(self) -> bool:
        path = self.results / "evaluation" / "selection.csv"
        return path.is_file() and relative_folder(self.folder / "metrics.json") in set(read_table(path)["path"])

    @cached_property
    def held_out(self) -> pd.DataFrame | None:
        """What it says of its training objects while they are held out, where that was made."""
        if self.modality == "late":
            parts = [self.part(name).held_out for name in SINGLE]
            return None if parts[0] is None or parts[1] is None else late_fusion(parts[0], parts[1])
        own = self.folder / "out_of_fold.parquet"
        other = self.results / "evaluation" / "out_of_fold" / self.model / self.modality / f"zoom{self.zoom}.parquet"
        found = own if own.is_file() else other if self.selected and other.is_file() else None
        return None if found is None else read_table(found)

    @property
    def quantiles(self) -> Path | None:
        """Folder of the quantiles that were fitted with its settings."""
        folder = self.results / "evaluation" / "quantiles" / self.modality / f"zoom{self.zoom}"
        fitted = self.model == "lightgbm" and self.selected and (folder / "out_of_fold.parquet").is_file()
        return folder if fitted else None

    @cached_property
    def split(self) -> pd.DataFrame:
        """The split it was trained on; empty where it is not there."""
        path = self.results / "sample" / str(self.told["sample"]) / "split.parquet"
        return read_table(path) if path.is_file() else pd.DataFrame()


def predict_cube(run: Path | str, cube: Path | str, level: float = 0.9, threads: int = 1) -> pd.DataFrame:
    """Return what a trained run, or a fusion of two, predicts of every target of a cube.

    Parameters
    ----------
    run
        Folder of the run, below a results folder; its interval is made of the out-of-fold predictions there.
    cube
        ``dense.h5``, or ``hiss_cube.h5`` that shows it.
    level
        Share of the objects that an interval is to hold.

    Returns
    -------
    DataFrame
        `hiss.evaluation.prediction_table.COLUMNS`, one row a target. ``prediction``, with ``low, high`` around it, is
        NaN where ``reason`` says why; ``low, high`` are NaN also for a run without out-of-fold predictions; ``truth``
        is NaN for a target without a label; ``side`` is the side of the run's split that holds the target, known by
        its objid: of what it was trained on a run knows more than of others.

    Raises
    ------
    HissError
        When the folder holds no run that can predict, or the cube's arrays are not what it was trained on.
    """
    chosen = _Run.of(Path(run))
    Store(cube).close()  # says in a sentence what is wrong with the file
    targets = targets_table(cube)
    if targets.empty:
        raise HissError(f"{cube}: holds no target; name another cube")
    with TemporaryDirectory() as folder:
        found = _predict(chosen, _Cube(Path(cube), targets, Path(folder)), threads)
    split = chosen.split
    known = with_interval(found, split, None if split.empty else level, chosen.name)
    known = known.assign(method=known["method"].where(known["prediction"].notna(), ""))
    labels = targets["avg"].where(is_label(targets["avg"]))
    of_cube = targets[["target_id", "objid", "ra", "dec", "z", "class"]]
    columns = ["prediction", "low", "high", "method", "reason"]
    table = of_cube.assign(**{name: known[name] for name in columns}, truth=labels, side=_sides(chosen, targets))
    return table[list(COLUMNS)]


def _sides(run: _Run, targets: pd.DataFrame) -> NDArray[np.object_]:
    """Return (n,) the side of the run's split that holds each target; "" where none does."""
    objects = run.results / "sample" / "objects.parquet"
    if run.split.empty or not objects.is_file():
        return np.full(len(targets), "", dtype=object)
    known = run.split.merge(read_table(objects)[["row", "objid"]], on="row")
    known = known[known["objid"] != 0].drop_duplicates("objid")  # 0 is no identity
    sides = targets["objid"].map(known.set_index("objid")["split"])
    return sides.fillna("").to_numpy(dtype=object)


def say_predicted(table: pd.DataFrame) -> None:
    """Say how many targets are predicted, and why the others are not."""
    reasons = table.loc[table["reason"] != "", "reason"].value_counts()
    others = (
        f"; not predicted: {', '.join(f'{n} with {reason}' for reason, n in reasons.items())}" if len(reasons) else ""
    )
    say(f"{int(table['prediction'].notna().sum())} of {len(table)} targets predicted{others}")


@dataclass(frozen=True)
class _Cube:
    """A cube whose targets are given to models as the sample's arrays are."""

    path: Path
    targets: pd.DataFrame
    folder: Path
    """Of the links to its arrays and the tables beside them."""

    def sources(self, modality: Modality, zoom: int, treatment: Treatment) -> Sources:
        of_spectra = zoom if modality.spectra_zoom is None else modality.spectra_zoom
        treated = None if treatment.leaves_all else Treated(treatment, self._arrays(0), self._neighbours(treatment))
        return Sources(
            self._arrays(zoom),
            self._arrays(of_spectra),
            self.objects,
            self._lines(modality),
            treated,
            self._environment(modality),
        )

    def _neighbours(self, treatment: Treatment) -> Path | None:
        """The neighbours in the cube's cutouts, found as those of the sample were."""
        if treatment.neighbours != "mask":
            return None
        path = self.folder / "neighbours.h5"
        if not path.exists():
            from hiss.sample.segmentation import Segmentation
            from hiss.sample.sources import find_neighbours

            find_neighbours(self._arrays(0), Segmentation.of(treatment.segmentation), path, {})
        return path

    @cached_property
    def objects(self) -> Path:
        """The table of the targets, a row of the arrays each."""
        path = self.folder / "objects.parquet"
        write_table(path, self.targets.assign(row=self.targets["target_id"]))
        return path

    def _arrays(self, zoom: int) -> Path:
        path = self.folder / f"zoom{zoom}.h5"
        if not path.exists():
            link_zoom(self.path, zoom, path)
        return path

    def _lines(self, modality: Modality) -> Path | None:
        path = self.folder / "lines.parquet"
        if modality.lines and not path.exists():
            say("emission lines are measured in the spectra of the cube; the study has the survey's own where it can")
            write_table(path, measure_lines(read_table(self.objects), _NO_FILES, self.folder, self.path))
        return path if modality.lines else None

    def _environment(self, modality: Modality) -> Path | None:
        """The surroundings of the targets; the study's own catalogue is not known here."""
        if not modality.environment:
            return None
        path = self.folder / "environment.parquet"
        if not path.exists():
            from hiss.sample.environment import MATCH_ARCSEC, galaxies_of_cube, measure_environment

            say("densities of this cube's galaxies stand for those of the catalogue that the run was trained with")
            galaxies = galaxies_of_cube(self.path, MATCH_ARCSEC)
            write_table(path, measure_environment(read_table(self.objects), galaxies, MATCH_ARCSEC))
        return path


def _predict(run: _Run, cube: _Cube, threads: int) -> Predicted:
    """Return predictions of all targets, ``target_id row truth prediction reason``, in order of target_id."""
    if run.modality in FUSIONS:
        photo, spectra = (_predict(run.part(name), cube, threads).table for name in SINGLE)
        fused = late_fusion(photo, spectra)
        if run.modality == "stacked":
            fused = apply_stack(Stack.load(run.folder / "model.json"), photo, spectra)
        reasons = [_joined(pair) for pair in zip(photo["reason"], spectra["reason"], strict=True)]
        return Predicted(fused.assign(reason=reasons), run.held_out)
    modality = Modality.parse(run.modality)
    sources = cube.sources(modality, run.zoom, run.treatment)
    _demand_wavelengths(run, sources, modality)

    rows = cube.targets["target_id"].to_numpy(dtype=np.int64)
    possible = np.ones(len(rows), dtype=np.bool_)
    if modality.rest_frame:
        possible = has_redshift(cube.targets["z"].to_numpy(dtype=np.float64))

    def predict(folder: Path, sources: Sources, rows: ArrayLike) -> pd.DataFrame:
        asked = np.asarray(rows, dtype=np.int64)
        members = [_predict_rows(one, run, sources, asked[possible]) for one in _loaded(folder, run.model, threads)]
        known = members[0].assign(prediction=np.mean([member["prediction"] for member in members], axis=0))
        table = known.set_index("row").reindex(asked).rename_axis("row").reset_index()
        return table.assign(target_id=asked, reason=table["reason"].fillna(_NO_REDSHIFT))

    # Fusions demand the same truths of both their parts; here none is known to a model.
    table = predict(run.folder, sources, rows).assign(truth=0.0)
    if run.quantiles is None:
        return Predicted(table, run.held_out)
    low, high = predict_quantiles(run.quantiles, sources, rows, table["prediction"], predict)
    ends = pd.DataFrame({"low": low, "high": high}), read_table(run.quantiles / "out_of_fold.parquet")
    return Predicted(table, run.held_out, ends)


def _loaded(folder: Path, model: str, threads: int) -> list[Model]:
    """Return the model of a folder, or the members whose mean predicts, as the variants have them."""
    kind = model_type(model)
    missing = [name for name in kind.files if not (folder / name).is_file()]
    members = sorted(folder.glob("models/seed*")) if missing else [folder]
    if not members:
        raise HissError(f"{folder}: has no {' or '.join(missing)}, so its model cannot predict; rerun the run")
    return [kind.load(member, threads=threads) for member in members]


def _predict_rows(model: Model, run: _Run, sources: Sources, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Return ``target_id row prediction reason``, the targets with missing features unpredicted."""
    if not len(rows):
        return pd.DataFrame({"target_id": rows, "prediction": np.empty(0), "reason": "", "row": rows})
    parts = []
    step = max(1, _BLOCK_VALUES // max(1, model.n_features or 1))
    starts = range(0, len(rows), step)
    for start in progress(starts, len(starts), "blocks of targets", show=len(starts) > 1):
        data, target_id = load_data(sources, rows[start : start + step], run.modality)
        if model.n_features is not None and data.features.shape[1] != model.n_features:
            raise HissError(
                f"{run.folder}: was trained on {model.n_features} features where the cube has {data.features.shape[1]} "
                f"at zoom {run.zoom}; name a run of this cube's shape, or build the cube again"
            )
        reason = np.full(len(data), "") if model.takes_nan else reasons_of(data, Modality.parse(run.modality))
        known = np.flatnonzero(reason == "")
        prediction = np.full(len(data), np.nan)
        prediction[known] = model.predict(data if len(known) == len(data) else data.take(known))
        parts.append(pd.DataFrame({"target_id": target_id, "prediction": prediction, "reason": reason}))
    return pd.concat(parts, ignore_index=True).assign(row=rows)


def reasons_of(data: Data, modality: Modality) -> NDArray[np.object_]:
    """Return (n,) why a model cannot look at an object: what it has no value of; "" where nothing is missing."""
    parts = {"missing pixels": data.images.reshape(len(data), -1), "a gap in its spectrum": data.spectra}
    if modality.redshift:
        place = data.n_extras - 1 - (len(ENVIRONMENT) if modality.environment else 0)
        parts[_NO_REDSHIFT] = data.extras[:, place : place + 1]
    lacks = {what: ~np.isfinite(values).all(axis=1) for what, values in parts.items()}
    if data.gaps:  # short ones are for the model, and a spectrum with a long one is NaN throughout
        lacks["a gap in its spectrum"] = ~np.isfinite(data.spectra).any(axis=1)
    reason = np.full(len(data), "", dtype=object)
    for row in np.flatnonzero(np.any(list(lacks.values()), axis=0)):
        reason[row] = _joined([what for what, lacking in lacks.items() if lacking[row]])
    return reason


def _joined(reasons: Any) -> str:
    return " and ".join(dict.fromkeys(reason for reason in reasons if reason))


def _demand_wavelengths(run: _Run, sources: Sources, modality: Modality) -> None:
    """Raise where spectra are not at the wavelengths that the run was trained on, as far as its sample is there."""
    zoom = run.zoom if modality.spectra_zoom is None else modality.spectra_zoom
    trained = run.results / "sample" / f"zoom{zoom}.h5"
    if not (modality.spectra and trained.is_file() and sources.spectra_arrays):
        return
    with h5py.File(trained, "r") as one, h5py.File(sources.spectra_arrays, "r") as other:
        if one["wl"].shape != other["wl"].shape or not np.allclose(one["wl"][()], other["wl"][()], rtol=1e-6):
            raise HissError(
                f"{run.folder}: was trained on spectra at other wavelengths than this cube's at zoom {zoom}; "
                "name a run of this cube's form, or build the cube again"
            )
