"""LightGBM's bins of the features: made once a modality and zoom, shared by every run and fold."""

from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from hiss.errors import HissError
from hiss.files import atomic
from hiss.models.base import Data, count_unusable, feature_names
from hiss.models.features import SIDES, open_part
from hiss.progress import say
from hiss.script import Stopwatch

_SAMPLE_ROWS: Final = 2000
"""Training objects of which the bins' edges are chosen: some thirty a bin at 63. LightGBM holds 12 bytes a value of
them, and sorts every column; by default it takes all."""

_EDGES_SEED: Final = 1  # of the draw of those rows, where we draw them


def binning(max_bin: int) -> dict[str, Any]:
    """Return LightGBM's parameters of binning, which a fit must repeat.

    Bundling is off, since pixels and samples are dense and nothing is ever bundled, while the search for what could be
    takes a third of the time. So is the filter of features by ``min_data_in_leaf``, which else would have to be the
    same in all fits.
    """
    return {
        "max_bin": max_bin,
        "bin_construct_sample_cnt": _SAMPLE_ROWS,
        "enable_bundle": False,
        "feature_pre_filter": False,
        "verbosity": -1,
    }


def bin_features(
    features: Path | str, max_bin: int, train_out: Path | str, validation_out: Path | str, threads: int
) -> None:
    """Write the bins of prepared features: those of the training objects, and the validation objects in the same bins.

    The files are LightGBM's own binary form of a data set; they hold the labels too.

    Parameters
    ----------
    features
        As `hiss.models.features.prepare_features` wrote them.

    Raises
    ------
    HissError
        When a feature is not finite.
    """
    train, validation = (open_part(features, side).data for side in SIDES)
    if count_unusable(train) or count_unusable(validation):
        raise HissError(f"{features}: NaN or infinite features; bin the cleaned sample, whose spectra are free of gaps")
    with Stopwatch() as watch:
        made = make_bins(train, validation, max_bin, threads)
    for dataset, out in zip(made, (train_out, validation_out), strict=True):
        with atomic(out) as temporary:
            dataset.save_binary(temporary)
    n_objects, n_features = train.features.shape
    say(f"{n_features} features of {n_objects} training objects in at most {max_bin} bins, in {watch.seconds:.1f} s")


def make_bins(train: Data, validation: Data, max_bin: int, threads: int) -> tuple[lgb.Dataset, lgb.Dataset]:
    """Return the binned training objects, and the validation objects in the same bins."""
    parameters = binning(max_bin) | {"num_threads": threads}
    names = feature_names(train.side, train.n_samples, train.n_extras, train.n_bands)
    edges = _edges(train, names, parameters) if train.gaps else None
    binned = lgb.Dataset(train.features, label=train.target, feature_name=names, params=parameters, reference=edges)
    held = binned.create_valid(validation.features, label=validation.target, params=parameters)
    return binned.construct(), held.construct()


def _edges(train: Data, names: list[str], parameters: dict[str, Any]) -> lgb.Dataset:
    """Return a data set whose bins have one for missing samples at every wavelength.

    LightGBM makes such a bin only for a feature that is NaN in one of the rows the edges are chosen of; in any other it
    takes NaN for a flux of 0. So we choose the rows, and add one whose spectrum is missing.
    """
    rows = np.arange(len(train))
    if len(rows) >= _SAMPLE_ROWS:
        rows = np.sort(np.random.default_rng(_EDGES_SEED).choice(rows, _SAMPLE_ROWS - 1, replace=False))
    features = np.concatenate([train.features[rows], train.features[:1]])
    features[-1, train.n_pixels : train.n_pixels + train.n_samples] = np.nan
    return lgb.Dataset(features, label=np.zeros(len(features)), feature_name=names, params=parameters).construct()


def open_bins(train: Data, validation: Data, max_bin: int, threads: int) -> tuple[lgb.Dataset, lgb.Dataset]:
    """Return the bins that the data bring along, or else make them.

    Raises
    ------
    HissError
        When the files hold bins of other settings or of other objects.
    """
    if train.bins is None or validation.bins is None:
        return make_bins(train, validation, max_bin, threads)
    binned = _open(train, max_bin, threads, None)
    return binned, _open(validation, max_bin, threads, binned)


def _open(data: Data, max_bin: int, threads: int, reference: lgb.Dataset | None) -> lgb.Dataset:
    dataset = lgb.Dataset(data.bins, reference=reference, params=binning(max_bin) | {"num_threads": threads})
    try:
        dataset.construct()
    except lgb.basic.LightGBMError as error:
        raise HissError(f"{data.bins}: not the bins asked for ({error}); delete it and run again") from None
    if data.bin_rows is not None:
        dataset = dataset.subset(data.bin_rows.tolist()).construct()
    if (dataset.num_data(), dataset.num_feature()) != data.features.shape:
        raise HissError(f"{data.bins}: bins of other objects or features; delete it and run the same command again")
    return dataset
