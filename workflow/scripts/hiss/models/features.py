"""The features of one modality and zoom: put together once, read by every run through a memory map."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.bands import BANDS, CUTOUT_SIZE, FLUX_UNIT, SPECTRUM_SIZE
from hiss.errors import HissError
from hiss.files import atomic, read_table
from hiss.modality import ENVIRONMENT, Modality
from hiss.models.base import Data, Floats
from hiss.models.rest_frame import to_rest
from hiss.sample.arrays import Objects, load_rows
from hiss.sample.choice import Treatment
from hiss.sample.classes import class_names
from hiss.sample.treatment import Treated

_BLOCK_BYTES = 64 * 2**20
_PAGE = 4096
_PLACEHOLDER = -90  # MPA-JHU's -99 and -9999 for percentiles it does not have
SIDES: Final = ("train", "validation")
"""The sides of the split a prepared file holds, in this order; test objects are in none."""

LINE_FEATURES: Final = ("z", "h_alpha", "h_alpha_sigma", "h_beta", "h_beta_sigma")
"""Columns of lines.parquet that are the features of modality ``lines``."""


@dataclass(frozen=True)
class Sources:
    """The files that features are made of."""

    arrays: Path | str
    """``<results>/sample/zoom<k>.h5``."""
    spectra_arrays: Path | str | None = None
    """The arrays of the spectra, where their zoom is another."""
    objects: Path | str | None = None
    """``objects.parquet``, for redshifts."""
    lines: Path | str | None = None
    """``lines.parquet``, for emission lines."""
    treated: Treated | None = None
    """What the sample's choice does to cutouts and spectra; None: nothing."""
    environment: Path | str | None = None
    """``environment.parquet``, for the surroundings."""


class Part(NamedTuple):
    """One side of the split."""

    data: Data
    table: pd.DataFrame
    """``target_id, row, truth, fold`` of its objects."""


def load_data(
    sources: Sources,
    rows: ArrayLike,
    modality: str,
    target: ArrayLike | None = None,
    classes: Sequence[str] = (),
) -> tuple[Data, NDArray[np.int64]]:
    """Return rows of the sample's arrays as a model's data, and their target_id (n,).

    They are read block by block into the matrix of features, so that memory holds them once, and their sigmas
    never whole.

    Parameters
    ----------
    rows
        (n,) rows of the arrays, in the order wanted.
    target
        (n,) labels of those rows; NaN where not given.
    classes
        Names of the classes that the labels are codes of; empty where they are numbers.

    Raises
    ------
    HissError
        When there is no row.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        raise HissError(f"{sources.arrays}: no row is asked for; the sample has no object on this side of its split")
    blocks = _blocks(sources, rows, Modality.parse(modality))
    first = next(blocks)
    features = np.empty((len(rows), first.data.features.shape[1]), dtype=np.float32)
    sky = None if first.data.sky_sigma is None else np.empty((len(rows), first.data.n_bands), dtype=np.float32)
    target_id = np.empty(len(rows), dtype=np.int64)
    for block in chain([first], blocks):
        features[block.rows] = block.data.features
        target_id[block.rows] = block.target_id
        if sky is not None:
            sky[block.rows] = block.data.sky_sigma
    labels = np.full(len(rows), np.nan) if target is None else np.asarray(target, dtype=np.float64)
    return replace(first.data, features=features, target=labels, sky_sigma=sky, classes=tuple(classes)), target_id


class Block(NamedTuple):
    """Some objects of the training table, read at once."""

    rows: slice
    """Their places in the table."""
    data: Data
    target_id: NDArray[np.int64]


def _blocks(sources: Sources, rows: NDArray[np.int64], modality: Modality) -> Iterator[Block]:
    """Yield the features of some rows at a time, in the order of ``rows``; the first block is of one row."""
    redshift = np.full(len(rows), np.nan)
    if modality.rest_frame or modality.redshift:
        redshift = _rows_of(sources.objects, "redshifts", rows)["z"].to_numpy(dtype=np.float64)
    extras = _extras(sources, rows, modality, redshift)
    start, stop = 0, 1
    while start < len(rows):
        chosen = slice(start, min(stop, len(rows)))
        objects = _read(sources, rows[chosen], modality, redshift[chosen])
        data = Data.from_arrays(objects.images, objects.spectra, image_sigma=objects.image_sigma, extras=extras[chosen])
        data = replace(data, gaps=_leaves_gaps(sources) and modality.spectra)
        yield Block(chosen, data, objects.target_id)
        start, stop = chosen.stop, chosen.stop + max(1, _BLOCK_BYTES // _row_bytes(sources, modality, data))


def _row_bytes(sources: Sources, modality: Modality, one: Data) -> int:
    """Return the most bytes that are read of one object: its features, sigmas, and what treats it at zoom 0."""
    values = max(1, one.features.shape[1] + one.n_pixels)
    treatment = sources.treated.treatment if sources.treated else Treatment()
    if modality.images and treatment.neighbours == "mask":
        values += 4 * len(BANDS) * CUTOUT_SIZE**2  # flux and sigma, once more without the neighbours
    if modality.spectra and treatment.gaps != "reject":
        values += 2 * SPECTRUM_SIZE  # flux, once more bridged
    return 4 * values


def _extras(sources: Sources, rows: NDArray[np.int64], modality: Modality, redshift: NDArray[np.float64]) -> Floats:
    """Return (n, n_extras): emission lines, redshift and surroundings, as far as the modality has them."""
    parts = [np.empty((len(rows), 0), dtype=np.float32)]
    if modality.lines:
        parts.append(_rows_of(sources.lines, "emission lines", rows)[list(LINE_FEATURES)].to_numpy(dtype=np.float32))
    if modality.redshift:
        parts.append(redshift[:, None].astype(np.float32))
    if modality.environment:
        table = _rows_of(sources.environment, "the surroundings", rows)
        parts.append(table[list(ENVIRONMENT)].to_numpy(dtype=np.float32))
    return np.concatenate(parts, axis=1)


def _read(sources: Sources, rows: NDArray[np.int64], modality: Modality, redshift: NDArray[np.float64]) -> Objects:
    """Return the arrays of some rows, the spectra moved to rest where they are to be; of two files for two zooms."""
    images = load_rows(sources.arrays, rows, "photo" if modality.images else "none")
    if sources.treated:
        images = sources.treated.images(images)
    if not modality.spectra:
        return images
    spectra = load_rows(sources.spectra_arrays or sources.arrays, rows, "spectra", sigma=False)
    if sources.treated:
        spectra = sources.treated.spectra(spectra)
    if not np.array_equal(spectra.target_id, images.target_id):
        raise HissError(f"{sources.spectra_arrays} and {sources.arrays} hold different objects; export both anew")
    flux = spectra.spectra
    if modality.rest_frame and flux is not None and spectra.wl is not None:
        flux = to_rest(flux, spectra.wl, redshift)
    return replace(images, spectra=flux)


def _leaves_gaps(sources: Sources) -> bool:
    return sources.treated is not None and sources.treated.treatment.gaps == "mask"


def _rows_of(path: Path | str | None, what: str, rows: NDArray[np.int64]) -> pd.DataFrame:
    if path is None:
        raise HissError(f"the features ask for {what}, and no table of them is given")
    return read_table(path).set_index("row").loc[rows]


def prepare_features(
    sources: Sources, split: pd.DataFrame, modality: str, out: Path | str, record: Mapping[str, Any]
) -> None:
    """Write the features of the training and validation objects of a sample, each side's in order of row.

    The file holds ``features`` (contiguous, so that it can be mapped), ``sky_sigma`` where there are images, and
    ``target_id, row, truth, label_sigma, fold``; test objects are never read.

    Parameters
    ----------
    sources
        With ``objects``: of the sample, for the width of the labels; of a further target, for the names of its classes.
    split
        ``row target_id avg split fold`` of the sample, or ``truth`` in place of ``avg`` of a further target.
    """
    table = _training_table(split, sources)
    blocks = _blocks(sources, table["row"].to_numpy(), Modality.parse(modality))
    classes = class_names(read_table(sources.objects)) if "truth" in split and sources.objects else ()
    what = str(sources.arrays)
    write_features(out, table, blocks, modality, record, treated=sources.treated, classes=classes, what=what)


def write_features(
    out: Path | str,
    table: pd.DataFrame,
    blocks: Iterable[Block],
    modality: str,
    record: Mapping[str, Any],
    *,
    treated: Treated | None = None,
    classes: Sequence[str] = (),
    n_bands: int = len(BANDS),
    what: str = "the arrays",
) -> None:
    """Write prepared features, block by block: the one writer of what `open_part` reads.

    Parameters
    ----------
    table
        ``split target_id row truth label_sigma fold`` of the objects, as `training_order` puts them.
    blocks
        Their features, in order; the first may be of any length.
    classes
        Names of the classes whose codes the truth is; empty: it is a number.
    n_bands
        Of the images.
    what
        Where the features come from, for messages.
    """
    # The matrix begins on a page of its own, for the memory maps that read it.
    with (
        atomic(out) as temporary,
        h5py.File(temporary, "w", alignment_threshold=_PAGE, alignment_interval=_PAGE) as file,
    ):
        for place, block in enumerate(blocks):
            if place == 0:
                _allocate(file, len(table), block.data)
            file["features"][block.rows] = block.data.features
            if block.data.sky_sigma is not None:
                file["sky_sigma"][block.rows] = block.data.sky_sigma
            if not np.array_equal(block.target_id, table["target_id"].to_numpy()[block.rows]):
                raise HissError(f"{what}: its target_id are not those of the split; make both anew")
        for name in ("target_id", "row", "truth", "label_sigma", "fold"):
            file[name] = table[name].to_numpy()
        file.attrs["n_train"] = int((table["split"] == "train").sum())
        file.attrs["modality"] = modality
        if classes:
            file.attrs["classes"] = json.dumps(list(classes))
        if n_bands != len(BANDS):
            file.attrs["n_bands"] = n_bands
        if treated:
            file.attrs["treatment"] = json.dumps(treated.treatment.as_dict(), sort_keys=True)
        file.attrs["provenance"] = json.dumps(record, sort_keys=True, default=str)


def training_order(split: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a split that models learn from, in the order of a file of features: each side's by row.

    Raises
    ------
    HissError
        When a side has no object.
    """
    sides = [split[split["split"] == side].sort_values("row") for side in SIDES]
    for side, part in zip(SIDES, sides, strict=True):
        if part.empty:
            raise HissError(f"the split has no {side} object; the sample is too small for its shares of the split")
    return pd.concat(sides, ignore_index=True)


def _training_table(split: pd.DataFrame, sources: Sources) -> pd.DataFrame:
    """Return ``split target_id row truth label_sigma fold`` of the objects that models learn from, in file order."""
    table = training_order(split).rename(columns={"avg": "truth"})
    objects = _rows_of(sources.objects, "the width of the labels", table["row"].to_numpy())
    if "p84" not in objects:
        return table.assign(label_sigma=np.nan)
    sigma = ((objects["p84"] - objects["p16"]) / 2).to_numpy(dtype=np.float64)
    known = (objects["p16"].to_numpy() > _PLACEHOLDER) & (sigma > 0)
    return table.assign(label_sigma=np.where(known, sigma, np.nan))


def _allocate(file: h5py.File, n: int, one: Data) -> None:
    features = file.create_dataset("features", (n, one.features.shape[1]), dtype="f4", fill_time="never")
    features.attrs["units"] = FLUX_UNIT
    file.attrs.update({"side": one.side, "n_extras": one.n_extras})
    if one.sky_sigma is not None:
        file.create_dataset("sky_sigma", (n, one.n_bands), dtype="f4")


def open_part(path: Path | str, side: str, bins: Path | str | None = None) -> Part:
    """Return the data and the table of one side of the split; the features are a memory map of the file.

    Parameters
    ----------
    path
        As `prepare_features` wrote it.
    side
        ``train`` or ``validation``.
    bins
        LightGBM's bins of that side.

    Raises
    ------
    HissError
        For another side, or a file of another kind.
    """
    if side not in SIDES:
        raise HissError(f"a training run reads train and validation objects, never those of {side!r}")
    with h5py.File(path, "r") as file:
        if "n_train" not in file.attrs:
            raise HissError(f"{path}: holds no prepared features; delete it and run the same command again")
        n_train = int(file.attrs["n_train"])
        rows = slice(0, n_train) if side == "train" else slice(n_train, None)
        table = pd.DataFrame({name: file[name][rows] for name in ("target_id", "row", "truth", "fold")})
        gaps = _treatment(file).get("gaps") == "mask" and Modality.parse(file.attrs["modality"]).spectra
        data = Data(
            # scikit-learn's search for NaN refuses memory that it may not write to: such pages are this process's own
            features=_mapped(file["features"], "c" if gaps else "r")[rows],
            side=int(file.attrs["side"]),
            target=table["truth"].to_numpy(),
            sky_sigma=file["sky_sigma"][rows] if "sky_sigma" in file else None,
            n_extras=int(file.attrs["n_extras"]),
            label_sigma=file["label_sigma"][rows],
            bins=None if bins is None else Path(bins),
            gaps=gaps,
            classes=tuple(json.loads(file.attrs.get("classes", "[]"))),
            n_bands=int(file.attrs.get("n_bands", len(BANDS))),
        )
    return Part(data, table)


def _treatment(file: h5py.File) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(file.attrs.get("treatment", "{}"))
    return told


def told_treatment(path: Path | str) -> dict[str, Any]:
    """Return ``{"treatment": ...}``, what was done to the arrays of prepared features; empty where nothing was."""
    with h5py.File(path, "r") as file:
        treatment = _treatment(file)
    return {"treatment": treatment} if treatment else {}


def _mapped(dataset: h5py.Dataset, mode: Literal["r", "c"]) -> Floats:
    offset = dataset.id.get_offset()
    if offset is None or not dataset.size:
        return np.empty(dataset.shape, dtype=np.float32)
    mapped = np.memmap(dataset.file.filename, dtype=np.float32, mode=mode, offset=offset, shape=dataset.shape)
    return np.asarray(mapped)
