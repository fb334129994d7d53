"""What is wrong with the best run, and where: residuals, predicted against true, calibration of the intervals."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import norm

from hiss.evaluation.collect import modality_order, model_name, model_order
from hiss.evaluation.residuals import best_run
from hiss.plots.intervals import METHOD_LABEL
from hiss.plots.style import (
    BLACK,
    GREY,
    SFR_LABEL,
    error_bars,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    sentence_figure,
)

Drawn = tuple[Figure, pd.DataFrame]

MANY: Final = 400
"""Points above which their density is drawn in their place, and single error bars would hide them."""

_COLUMNS: Final = 3
_AXIS: Final = {
    "redshift": "redshift",
    "r_magnitude": "r magnitude in 12 arcsec (AB)",
    "signal_to_noise": "S/N of the spectrum (log$_{10}$)",
    "truth": f"catalogue {SFR_LABEL}",
    "prediction": f"predicted {SFR_LABEL}",
    "kind": "class and subclass",
    "n_spectra": "spectra stacked",
    "n_images": "r images stacked",
}
_BAD: Final = -90.0  # MPA-JHU's placeholders lie below


def residuals(table: pd.DataFrame, trends: pd.DataFrame) -> Drawn:
    """Draw residuals of one run against what is known of each object, with running medians, P16 to P84 and slopes.

    Parameters
    ----------
    table, trends
        As `hiss.evaluation.residuals.residual_table` and `hiss.evaluation.residuals.trends` return them.
    """
    if table.empty:
        return sentence_figure("No test object is predicted, so there are no residuals."), trends
    figure, axes = panels(3, _COLUMNS, 2.35)
    colour = modality_colour(table["modality"].iloc[0])
    limit = 1.15 * float(np.percentile(np.abs(table["residual"]), 99.5)) or 1.0
    for place, (axis, name) in enumerate(zip(axes, _AXIS, strict=False)):
        own = trends[trends["variable"] == name]
        axis.axhline(0, color=BLACK, linewidth=0.7)
        axis.set(ylim=(-limit, limit), xlabel=_AXIS[name])
        if (own["part"] == "category").any():
            _by_category(axis, own[own["part"] == "category"], colour)
        elif len(own):
            _against(axis, table, own, name, colour)
        else:
            axis.text(0.5, 0.5, "not known, or\nthe same for all", transform=axis.transAxes, ha="center", color=GREY)
        if place % _COLUMNS == 0:
            axis.set_ylabel("residual [dex]")
        else:
            axis.tick_params(labelleft=False)
    _pulls(axes[len(_AXIS)], table, colour)
    _title(figure, table)
    return figure, trends


def _title(figure: Figure, table: pd.DataFrame) -> None:
    first = table.iloc[0]
    what = f"{model_name(first['model'])}, {modality_label(first['modality'])}, zoom {first['zoom']}"
    figure.suptitle(f"{what}: residual, prediction less catalogue, of {len(table):,} test objects", fontsize=9)


def _against(axis: Axes, table: pd.DataFrame, own: pd.DataFrame, name: str, colour: str) -> None:
    x = table[name].to_numpy(dtype=np.float64)
    x = np.log10(np.where(x > 0, x, np.nan)) if name == "signal_to_noise" else x
    _points(axis, x, table["residual"].to_numpy(), colour)
    bins = own[own["part"] == "bin"]
    _running(axis, bins)
    slope = own[own["part"] == "slope"].iloc[0]
    if np.isfinite(slope["slope_low"]):
        half = (slope["slope_high"] - slope["slope_low"]) / 2
        told = f"slope {slope['slope']:+.2g} ± {half:.1g}".replace("-", "−")
        _say(axis, told)


def _say(axis: Axes, told: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axis.text(0.03, 0.97, told, transform=axis.transAxes, va="top", fontsize=7.5, bbox=box)


def _points(axis: Axes, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    many = len(x) > MANY
    size, alpha = (2, 0.15) if many else (8, 0.45)
    axis.scatter(x, y, s=size, alpha=alpha, color=colour, linewidths=0, rasterized=many)


def _running(axis: Axes, bins: pd.DataFrame) -> None:
    """Draw medians with their intervals, and P16 to P84 as bars."""
    x = bins["x_middle"].to_numpy()
    for column in ("p16", "p84"):
        axis.plot(x, bins[column], color=BLACK, linewidth=0.8, linestyle="--")
    ends = error_bars(bins["median"], bins["median_low"], bins["median_high"])
    axis.errorbar(x, bins["median"], yerr=ends, color=BLACK, marker="o", markersize=3, linewidth=1.2, capsize=2)


def _by_category(axis: Axes, rows: pd.DataFrame, colour: str) -> None:
    x = np.arange(len(rows))
    axis.vlines(x, rows["p16"], rows["p84"], color=colour, linewidth=7, alpha=0.35)
    ends = error_bars(rows["median"], rows["median_low"], rows["median_high"])
    axis.errorbar(x, rows["median"], yerr=ends, fmt="o", color=BLACK, capsize=2)
    long = rows["name"].str.len().max() > 6
    names = [
        "\n".join([str(row["name"]).replace("GALAXY ", "").capitalize(), f"({row['n']:,})"])
        for row in rows.to_dict("records")
    ]
    axis.set_xticks(x, names, rotation=90 if long and len(rows) > 2 else 0, fontsize=7)
    axis.set_xlim(-0.6, len(rows) - 0.4)
    axis.grid(visible=False, axis="x")


def _pulls(axis: Axes, table: pd.DataFrame, colour: str) -> None:
    """Draw residuals in units of the label's own half width beside a normal distribution."""
    pull = (table["residual"] / table["label_sigma"]).dropna()
    axis.set_xlabel("residual / half width of the label")
    if pull.empty:
        axis.text(0.5, 0.5, "widths of the labels\nare not known", transform=axis.transAxes, ha="center", color=GREY)
        return
    edges = np.linspace(-5, 5, 31)
    axis.hist(np.clip(pull, -5, 5), edges.tolist(), density=True, color=colour, alpha=0.6)
    fine = np.linspace(-5, 5, 201)
    axis.plot(fine, norm.pdf(fine), color=BLACK, linewidth=1.0)
    axis.set(xlim=(-5, 5), ylabel="density")
    within = float((pull.abs() <= 1).mean())
    _say(axis, f"{100 * within:.0f} % within ±1\n(normal: 68 %)")


def predicted_true(tests: pd.DataFrame, metrics: pd.DataFrame, objects: pd.DataFrame) -> Drawn:
    """Draw prediction against label of the best model, a panel a modality, with the label's own P16 to P84.

    Each modality is at the zoom of its lowest validation RMSE. Bars stand at each point, or, where these are many, at
    the median of each tenth of the labels.

    Parameters
    ----------
    tests
        All test_<model>.parquet of models that learn, one below the other.
    objects
        The sample's objects, for ``p16`` and ``p84``.
    """
    metrics = metrics.merge(tests[["model", "modality", "zoom"]].drop_duplicates())
    model = best_run(metrics)["model"]
    chosen = metrics[(metrics["model"] == model) & metrics["validation_rmse"].notna()]
    chosen = chosen.sort_values("validation_rmse", kind="stable").drop_duplicates("modality").set_index("modality")
    names = modality_order(chosen.index)
    parts = {
        name: tests[
            (tests["model"] == model) & (tests["modality"] == name) & (tests["zoom"] == chosen.loc[name, "zoom"])
        ].merge(objects[["row", "p16", "p84"]], on="row", how="left")
        for name in names
    }
    data = pd.concat(parts.values(), ignore_index=True)
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure, axes = panels(rows, columns, 6.9 / columns if columns > 1 else 4.5, sharex=True, sharey=True)
    ends = _limits(data)
    for place, axis in enumerate(axes):
        if place >= len(names):
            axis.set_axis_off()
            continue
        name = names[place]
        _one_modality(axis, parts[name], modality_colour(name), ends)
        scored = chosen.loc[name]
        _say(axis, f"$R^2$ {scored['r2']:.2f}\nRMSE {scored['rmse']:.2f} dex".replace("-", "−"))
        axis.set_title(f"{modality_label(name)}, zoom {scored['zoom']}")
        if place % columns == 0:
            axis.set_ylabel(f"predicted {SFR_LABEL}")
        if place + columns >= len(names):
            axis.set_xlabel(f"catalogue {SFR_LABEL}")
            axis.xaxis.set_tick_params(labelbottom=True)
    figure.suptitle(f"{model_name(model)} on {len(next(iter(parts.values()))):,} test objects", fontsize=9)
    return figure, data[["model", "modality", "zoom", "target_id", "row", "truth", "prediction", "p16", "p84"]]


def _limits(part: pd.DataFrame) -> tuple[float, float]:
    values = part[["truth", "prediction"]].to_numpy()
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _one_modality(axis: Axes, part: pd.DataFrame, colour: str, ends: tuple[float, float]) -> None:
    axis.plot(ends, ends, color=BLACK, linewidth=0.8)
    known = part[(part["p16"] > _BAD) & (part["p84"] >= part["p16"])]
    if len(part) <= MANY:
        axis.hlines(known["prediction"], known["p16"], known["p84"], color=GREY, alpha=0.35, linewidth=0.6)
        axis.scatter(part["truth"], part["prediction"], s=10, alpha=0.7, color=colour, linewidths=0)
    else:
        axis.hexbin(
            part["truth"], part["prediction"], gridsize=45, extent=(*ends, *ends), mincnt=1, bins="log",
            cmap="Greys", linewidths=0.1, rasterized=True,
        )  # fmt: skip
        _typical_bars(axis, known, colour)
    axis.set(xlim=ends, ylim=ends, aspect="equal")


def _typical_bars(axis: Axes, known: pd.DataFrame, colour: str) -> None:
    """Draw, for each tenth of the labels, the median prediction, its P16 to P84, and the label's own width."""
    if known.empty:
        return
    tenth = pd.qcut(known["truth"], 10, labels=False, duplicates="drop")
    for _, own in known.groupby(tenth):
        x, y = own["truth"].median(), own["prediction"].median()
        low, high = np.percentile(own["prediction"], [16, 84])
        across = [[x - (own["p16"] - own["truth"] + x).median()], [(own["p84"] - own["truth"] + x).median() - x]]
        axis.errorbar(
            x, y, xerr=np.clip(across, 0, None), yerr=[[y - low], [high - y]], fmt="o", color=colour,
            markersize=3, linewidth=1.1,
        )  # fmt: skip


def calibration(table: pd.DataFrame) -> Drawn:
    """Draw empirical against nominal coverage at all levels, and the ranks of residuals among those held out.

    Parameters
    ----------
    table
        As `hiss.evaluation.calibration.calibration_table` returns it.
    """
    if table.empty:
        return sentence_figure("No run of this study has prediction intervals."), table
    runs = table.drop_duplicates(["model", "modality", "zoom"])
    order = {name: place for place, name in enumerate(model_order(runs["model"]))}
    runs = runs.assign(order=runs["model"].map(order)).sort_values("order", kind="stable")
    figure, axes = panels(len(runs), 2, 2.5)
    for run, left, right in zip(runs.to_dict("records"), axes[::2], axes[1::2], strict=True):
        own = table[(table[["model", "modality", "zoom"]] == pd.Series(run)[["model", "modality", "zoom"]]).all(axis=1)]
        _coverage(left, own[own["part"] == "coverage"], run["modality"])
        _ranks(right, own[own["part"] == "rank"], run["modality"])
        left.set_title(f"{model_name(run['model'])}, {modality_label(run['modality'])}, zoom {run['zoom']}")
        left.set_ylabel("test objects within [%]")
        right.set_ylabel("share of test objects [%]")
    axes[-2].set_xlabel("nominal level [%]")
    axes[-1].set_xlabel("rank of the residual among those held out")
    handles = [
        Line2D([], [], color=GREY, marker="o", markerfacecolor=face, label=METHOD_LABEL[name])
        for name, face in (("residuals", "white"), ("quantiles", GREY))
        if (table["method"] == name).any()
    ]
    handles.append(Line2D([], [], color=BLACK, linestyle="--", label="as promised"))
    figure.legend(
        handles=[*handles, Patch(color=GREY, alpha=0.3, label="95 % range by chance")],
        loc="outside upper center", ncols=4,
    )  # fmt: skip
    return figure, table


def _coverage(axis: Axes, rows: pd.DataFrame, modality: str) -> None:
    axis.plot([0, 100], [0, 100], color=BLACK, linestyle="--", linewidth=0.9)
    for method, face in (("residuals", "white"), ("quantiles", modality_colour(modality))):
        own = rows[rows["method"] == method]
        level, share, low, high = (100 * own[name] for name in ("level", "coverage", "low", "high"))
        axis.fill_between(level, low, high, color=modality_colour(modality), alpha=0.15, linewidth=0)
        axis.plot(
            level, share, modality_marker(modality), color=modality_colour(modality), markerfacecolor=face,
            linestyle="-" if method == "quantiles" else ":", linewidth=0.8, markersize=3.5,
        )  # fmt: skip
    axis.set(xlim=(0, 100), ylim=(0, 102))


def _ranks(axis: Axes, rows: pd.DataFrame, modality: str) -> None:
    if rows.empty:
        axis.text(0.5, 0.5, "no objects held out", transform=axis.transAxes, ha="center", color=GREY)
        return
    width = 1 / len(rows)
    axis.bar(
        rows["level"] - width / 2, 100 * rows["coverage"], width * 0.92, color=modality_colour(modality), alpha=0.6
    )
    axis.axhspan(
        100 * rows["expected_low"].iloc[0], 100 * rows["expected_high"].iloc[0], color=GREY, alpha=0.3, zorder=0
    )
    axis.axhline(100 * width, color=BLACK, linestyle="--", linewidth=0.9)
    axis.set(xlim=(0, 1), ylim=(0, 1.15 * 100 * max(rows["coverage"].max(), rows["expected_high"].max())))
