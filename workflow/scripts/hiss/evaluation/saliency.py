"""What the CNN looks at: integrated gradients of its predictions, mapped to wavelengths and pixels.

The gradient of a network alone tells what a small change would do, and a rectified network is flat where it has
decided. Integrated gradients (Sundararajan, Taly & Yan 2017, arXiv:1703.01365) follow the straight way from a
reference, here the mean of the objects as the network sees them, to each object: (x - x0) times the mean gradient on
that way. They add up to the prediction's distance from that of the reference [dex], as TreeSHAP's contributions do.

A map may show the data and the architecture rather than what was learned (Adebayo et al. 2018, arXiv:1810.03292): where
objects differ most, x - x0 is large whatever the network. So the same is made of the network with weights drawn anew,
and stands beside it; and the mean gradients, in which x - x0 is not, are compared too. Where a map is like that of the
random network it says nothing of the fit.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from hiss.evaluation.attribution import Attribution
from hiss.evaluation.regions import Layout
from hiss.evaluation.selection import selected_metrics
from hiss.models.base import Data
from hiss.models.device import reproducible
from hiss.models.features import open_part
from hiss.models.network import EMBEDDING_SPREAD, Attention, Network
from hiss.models.vgg import VGGNet12, place
from hiss.progress import say

Array = NDArray[np.float64]

SALIENCY_COLUMNS: Final = [
    "kind", "name", "low", "high", "n", "feature_share", "contribution", "contribution_random",
    "likeness", "likeness_gradient", "completeness",
]  # fmt: skip

NORM: Final = "brightness of the spectrum"
"""The log of the spectrum's mean flux, which the network is told beside its shape."""

_BATCH: Final = 64  # objects whose gradients are held at once


def saliency_of_selected(
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    features: Path | str,
    wl: Array,
    objects: pd.DataFrame,
    most: int,
    steps: int,
    seed: int,
    threads: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `measure_saliency` finds of the CNN's selected run of a modality and zoom.

    Parameters
    ----------
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of the CNN's runs of the modality and zoom; the model's files lie beside each.
    features
        The prepared features, of which the validation objects are read.
    wl
        (n_samples,) observed wavelengths of the zoom [Angstrom].
    objects
        For ``z``, by ``row``.
    """
    model = VGGNet12.load(selected_metrics(selection, metrics).parent, threads=threads)
    data, table = open_part(features, "validation")
    redshift = objects.set_index("row")["z"].reindex(table["row"]).to_numpy(dtype=np.float64)
    return measure_saliency(model, data, wl, redshift, most, steps, seed)


def measure_saliency(
    model: VGGNet12, data: Data, wl: Array, redshift: Array, most: int, steps: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how far regions of the inputs move a network's predictions, and the maps behind it.

    Parameters
    ----------
    data
        The validation objects.
    wl
        (n_samples,) observed wavelengths [Angstrom].
    redshift
        (n,) which the network is not told; NaN where unknown.
    most
        Objects looked at, evenly spaced among those given.
    steps
        Points on the way from the reference to an object.
    seed
        Of the weights drawn anew.

    Returns
    -------
    regions
        `SALIENCY_COLUMNS`: ``contribution`` [dex] is how far a region moves a prediction, in the mean over objects;
        ``contribution_random`` the same of a network of random weights, scaled to the same sum over all features.
        The same in all rows are Spearman's rank correlations between the maps of the two networks, ``likeness`` of
        the contributions and ``likeness_gradient`` of the gradients, and ``completeness``, by how much the parts miss
        the prediction's distance from the reference, as a share of it (both root mean square over objects).
    maps
        As `hiss.evaluation.attribution.Attribution.map_table`, and ``contribution_random`` and ``gradient`` (mean over
        objects and the way to them, with its sign [dex a standard deviation of the input]).
    """
    chosen = np.unique(np.linspace(0, len(data) - 1, min(most, len(data))).round().astype(np.int64))
    objects, known = data.take(chosen), redshift[chosen]
    layout = _layout(objects, wl)
    unit = model.scaling.target_std
    with reproducible(model.seed, model.threads):
        inputs = place(objects, model.scaling, model.device)
        own = _explained(model.network, inputs, layout, known, steps, unit)
        random = _explained(with_random_weights(model.network, seed), inputs, layout, known, steps, unit)
    say(f"{steps} gradients of {len(objects)} objects; the parts miss {own.missed:.1%} of the predictions' distance")
    regions, maps = own.attribution.regions_table(), own.attribution.map_table()
    others = random.attribution.map_table()
    features = (maps["part"] != "rest").to_numpy()
    scale = maps.loc[features, "contribution"].sum() / (others.loc[features, "contribution"].sum() or 1.0)
    regions["contribution_random"] = scale * random.attribution.regions_table()["contribution"]
    maps["contribution_random"] = scale * others["contribution"]
    maps.loc[features, "gradient"] = own.gradient
    regions["likeness"] = likeness(maps["contribution"][features], others["contribution"][features])
    regions["likeness_gradient"] = likeness(own.gradient, random.gradient)
    return regions.assign(completeness=own.missed)[SALIENCY_COLUMNS], maps


class _Explained(NamedTuple):
    """What gradients tell of one network."""

    attribution: Attribution
    gradient: Array
    """(n_columns,) mean over objects and the way to them."""
    missed: float
    """By which share the parts miss what they are to add up to."""


def _layout(data: Data, wl: Array) -> Layout:
    extras = ([NORM] if data.n_samples else []) + [f"extra {place}" for place in range(data.n_extras)]
    return Layout(data.side, np.asarray(wl, dtype=np.float64) if data.n_samples else np.empty(0), extras)


def _explained(
    network: nn.Module, inputs: list[Tensor], layout: Layout, redshift: Array, steps: int, unit: float
) -> _Explained:
    attribution = Attribution(layout, redshift)
    reference = [values.mean(dim=0, keepdim=True) for values in inputs]
    total, missed, distance = np.zeros(layout.n_columns), 0.0, 0.0
    for start in range(0, len(inputs[0]), _BATCH):
        batch = [values[start : start + _BATCH] for values in inputs]
        gradients, away = mean_gradients(network, batch, reference, steps)
        offsets = [
            (values - from_).cpu().numpy().astype(np.float64) for values, from_ in zip(batch, reference, strict=True)
        ]
        gradient = unit * as_columns(gradients, layout)
        contributions = gradient * as_columns(offsets, layout)
        attribution.add(contributions)
        total += gradient.sum(axis=0)
        missed += float(((contributions.sum(axis=1) - unit * away) ** 2).sum())
        distance += float(((unit * away) ** 2).sum())
    share = (missed / distance) ** 0.5 if distance else 0.0
    return _Explained(attribution, total / len(inputs[0]), share)


def mean_gradients(
    network: nn.Module, inputs: Sequence[Tensor], reference: Sequence[Tensor], steps: int
) -> tuple[list[Array], Array]:
    """Return the mean gradient of a network's outputs on the way to each object, by the midpoint rule.

    Parameters
    ----------
    inputs
        Tensors (n, ...) of the network.
    reference
        Tensors (1, ...) from which the way to each object begins.
    steps
        Points on the way.

    Returns
    -------
    gradients
        (n, ...) float64 for each input: times the object's distance from the reference they add up to `distance`.
    distance
        (n,) the output of each object less that of the reference.
    """
    network.eval()
    away = [values - start for values, start in zip(inputs, reference, strict=True)]
    sums = [torch.zeros_like(values) for values in inputs]
    for step in range(steps):
        at = [(start + (step + 0.5) / steps * one).requires_grad_() for start, one in zip(reference, away, strict=True)]
        for total, gradient in zip(sums, torch.autograd.grad(network(at).sum(), at), strict=True):
            total += gradient
    with torch.no_grad():
        distance = network(list(inputs)) - network(list(reference))
    gradients = [total.cpu().numpy().astype(np.float64) / steps for total in sums]
    return gradients, distance.cpu().numpy().astype(np.float64)


def as_columns(parts: Sequence[Array], layout: Layout) -> Array:
    """Return (n, n_columns) in the order of the features: pixels band by band, samples, then the scalars."""
    waiting = list(parts)
    n = len(waiting[0])
    columns = [np.moveaxis(waiting.pop(0), 3, 1).reshape(n, -1)] if layout.side else []
    columns += [part.reshape(n, -1) for part in waiting]
    return np.concatenate(columns, axis=1)


def with_random_weights(network: Network, seed: int) -> Network:
    """Return a copy of a network all of whose parameters are drawn anew, or as they are before training."""
    other = deepcopy(network)
    torch.manual_seed(seed)
    for module in other.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.reset_parameters()
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.xavier_uniform_(module.in_proj_weight)
            nn.init.zeros_(module.in_proj_bias)
        elif isinstance(module, Attention):
            nn.init.trunc_normal_(module.embedding, std=EMBEDDING_SPREAD)
    return other


def likeness(one: ArrayLike, other: ArrayLike) -> float:
    """Return Spearman's rank correlation of two maps; NaN where one of them is flat."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)
