"""Which lines, bands and pixels the models used: importance of LightGBM's features, saliency of the CNN."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec

from hiss.bands import BANDS, CUTOUT_SIZE, PIXEL_SCALE
from hiss.plots.style import (
    BLACK,
    FULL_WIDTH,
    GREY,
    error_bars,
    modality_colour,
    modality_label,
    modality_marker,
    plt,
    sentence_figure,
)
from hiss.spectral_lines import SPECTRAL_LINES

Drawn = tuple[Figure, pd.DataFrame]
Key = tuple[str, int]
"""Modality and zoom."""

_BIN: Final = 25.0  # Angstrom, the least width of a step in which importance is drawn
_MAP_SIDE: Final = 16  # pixels a side at which a map is drawn
_CMAP: Final = "viridis"
_OBSERVED: Final = r"observed wavelength [$\mathrm{\AA}$]"
_REST: Final = r"wavelength at rest [$\mathrm{\AA}$]"
_DENSITY: Final = r"contribution" + "\n" + r"[mdex per 10 $\mathrm{\AA}$]"


def importance_spectrum(summary: pd.DataFrame, maps: Mapping[Key, pd.DataFrame], redshift: np.ndarray) -> Drawn:
    """Draw where in the spectrum LightGBM looks: by observed wavelength, at rest, and by line.

    Shown is the finest zoom of each modality that has spectra.

    Parameters
    ----------
    summary
        As `hiss.evaluation.importance.summarise_importance` returns it.
    maps
        Maps of each modality and zoom, as `hiss.evaluation.importance.measure_importance` returns them.
    redshift
        (n,) of the sample's objects, for the bands of observed wavelength in which a line moves.
    """
    keys = _finest([key for key in maps if (maps[key]["part"] == "sample").any()])
    if not keys:
        return sentence_figure("LightGBM sees no spectrum in this study, so no line can matter to it."), summary.head(0)
    figure = plt.figure(figsize=(FULL_WIDTH, 7.2))
    grid = figure.add_gridspec(3, 2, height_ratios=(1, 1, 1.2), width_ratios=(1, 1.7))
    observed, rest = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, :])
    data = []
    for key in keys:
        for axis, part in ((observed, "sample"), (rest, "rest")):
            steps = _steps(maps[key][maps[key]["part"] == part])
            axis.stairs(
                steps["density"], [*steps["low"], steps["high"].iloc[-1]], color=modality_colour(key[0]),
                linewidth=1.1, label=_named(key), baseline=None,
            )  # fmt: skip
            data.append(steps.assign(modality=key[0], zoom=key[1], part=part))
    _mark_observed(observed, redshift)
    _mark_rest(rest)
    for axis, label in ((observed, _OBSERVED), (rest, _REST)):
        axis.set(xlabel=label, ylabel=_DENSITY)
        axis.set_ylim(0, 1.32 * axis.get_ylim()[1])
    data.append(_losses(figure.add_subplot(grid[2, 0]), summary, keys, ("line",)))
    data.append(_losses(figure.add_subplot(grid[2, 1]), summary, keys, ("wavelengths",)))
    figure.legend(*observed.get_legend_handles_labels(), loc="outside upper center", ncols=len(keys))
    return figure, pd.concat(data, ignore_index=True)


def _finest(keys: Sequence[Key]) -> list[Key]:
    """Return each modality at its finest zoom, in the order given."""
    found: dict[str, int] = {}
    for modality, zoom in keys:
        found[modality] = min(zoom, found.get(modality, zoom))
    order = ("photo", "spectra", "early")
    return sorted(found.items(), key=lambda key: order.index(key[0]) if key[0] in order else len(order))


def _named(key: Key) -> str:
    return f"{modality_label(key[0])}, zoom {key[1]}"


def _steps(rows: pd.DataFrame, column: str = "contribution") -> pd.DataFrame:
    """Return ``low, high, density``: a map by wavelength [Angstrom] in steps of at least 25, in mdex per 10."""
    wl, values = rows["wavelength"].to_numpy(), rows[column].to_numpy()
    spacing = float(np.median(np.diff(wl)))
    together = max(1, round(_BIN / spacing))
    starts = np.arange(0, len(wl), together)
    sums, counts = np.add.reduceat(values, starts), np.diff([*starts, len(wl)])
    low = wl[starts] - spacing / 2
    high = low + counts * spacing
    return pd.DataFrame({"low": low, "high": high, "density": 1e4 * sums / (counts * spacing)})


def _mark_observed(axis: Axes, redshift: np.ndarray) -> None:
    """Shade the observed wavelengths at which each line lies, from P5 to P95 of the redshifts."""
    known = redshift[np.isfinite(redshift)]
    if not len(known):
        return
    low, high = np.percentile(known, [5, 95])
    ends = axis.get_xlim()
    for place, line in enumerate(SPECTRAL_LINES):
        left, right = line.wavelength * (1 + low), line.wavelength * (1 + high)
        if right < ends[0] or left > ends[1]:
            continue
        axis.axvspan(left, right, ymax=0.78, color=GREY, alpha=0.13, linewidth=0)
        _name_line(axis, (left + right) / 2, line.label, place)
    axis.set_xlim(*ends)


def _mark_rest(axis: Axes) -> None:
    ends = axis.get_xlim()
    for place, line in enumerate(SPECTRAL_LINES):
        if ends[0] < line.wavelength < ends[1]:
            axis.axvline(line.wavelength, ymax=0.78, color=GREY, linewidth=0.7, linestyle=":")
            _name_line(axis, line.wavelength, line.label, place)
    axis.set_xlim(*ends)


def _name_line(axis: Axes, x: float, label: str, place: int) -> None:
    height = (0.79, 0.86, 0.93)[place % 3]
    axis.text(x, height, label, transform=axis.get_xaxis_transform(), ha="center", va="bottom", fontsize=7)


def _losses(axis: Axes, summary: pd.DataFrame, keys: Sequence[Key], kinds: Sequence[str]) -> pd.DataFrame:
    """Draw the RMSE lost when a region is exchanged among objects, a column a region, a point a modality."""
    parts = [
        summary[(summary["modality"] == modality) & (summary["zoom"] == zoom) & summary["kind"].isin(kinds)]
        for modality, zoom in keys
    ]
    rows = pd.concat(parts, ignore_index=True).dropna(subset="delta_rmse")
    order = rows.assign(place=rows["kind"].map({kind: place for place, kind in enumerate(kinds)}))
    names = order.sort_values(["place", "low"], kind="stable").drop_duplicates(["kind", "name"])
    at = {(row["kind"], row["name"]): place for place, row in enumerate(names.to_dict("records"))}
    for index, (modality, zoom) in enumerate(keys):
        own = rows[(rows["modality"] == modality) & (rows["zoom"] == zoom)]
        x = np.array([at[row["kind"], row["name"]] for row in own.to_dict("records")])
        x = x + (index - (len(keys) - 1) / 2) * 0.22
        ends = 1000 * error_bars(own["delta_rmse"], own["delta_low"], own["delta_high"])
        axis.errorbar(
            x, 1000 * own["delta_rmse"], yerr=ends, fmt=modality_marker(modality), color=modality_colour(modality),
            markersize=4, linewidth=1.0, label=_named((modality, zoom)),
        )  # fmt: skip
    axis.axhline(0, color=BLACK, linewidth=0.7)
    _name_columns(axis, names)
    axis.set_xlim(-0.7, len(names) - 0.3)
    axis.set_ylabel("RMSE lost when\nexchanged [mdex]")
    axis.grid(visible=False, axis="x")
    for place in np.flatnonzero(names["kind"].to_numpy()[1:] != names["kind"].to_numpy()[:-1]):
        axis.axvline(place + 0.5, color=GREY, linewidth=0.7)
    return rows.assign(part="lost")


def _name_columns(axis: Axes, names: pd.DataFrame) -> None:
    labels = [_short(row) for row in names.to_dict("records")]
    upright = names["kind"].isin(["line", "wavelengths"]).any()
    axis.set_xticks(range(len(names)), labels, rotation=90 if upright else 0, fontsize=7.5)


def _short(row: dict[Any, Any]) -> str:
    labels = {line.name: line.label for line in SPECTRAL_LINES}
    if row["kind"] == "wavelengths":
        return f"{row['low']:.0f}–{row['high']:.0f}"
    if row["kind"] == "continuum":
        return "continuum"
    if row["kind"] == "other":
        return str(row["name"]).split()[0]
    return labels.get(row["name"], str(row["name"]).replace(" arcsec", '"').replace("all five bands", "all images"))


def importance_images(summary: pd.DataFrame, maps: Mapping[Key, pd.DataFrame]) -> Drawn:
    """Draw which pixels and bands LightGBM uses: a map a band, a profile by radius, and what each band and ring costs.

    Shown is the finest zoom of each modality that has images.
    """
    keys = _finest([key for key in maps if (maps[key]["part"] == "pixel").any()])
    if not keys:
        return sentence_figure("LightGBM sees no image in this study, so no band can matter to it."), summary.head(0)
    figure = plt.figure(figsize=(FULL_WIDTH, 1.75 * len(keys) + 4.6))
    grid = figure.add_gridspec(len(keys) + 2, len(keys), height_ratios=[1.5] * len(keys) + [1.6, 1.7])
    profiles = [figure.add_subplot(grid[len(keys), place]) for place in range(len(keys))]
    data = []
    for place, (key, profile) in enumerate(zip(keys, profiles, strict=True)):
        pixels = maps[key][maps[key]["part"] == "pixel"]
        _draw_maps(figure, grid[place, :], pixels, key)
        rings = _profile(pixels)
        for band in BANDS:
            own = rings[rings["band"] == band]
            profile.plot(
                own["radius"], own["density"], color=modality_colour(key[0]), marker=f"${band}$", linewidth=0.6,
                markersize=6, markeredgewidth=0.3,
            )  # fmt: skip
        profile.set(xlabel="distance from the centre [arcsec]", ylim=(0, None), title=_named(key))
        data.append(rings.assign(modality=key[0], zoom=key[1], part="profile"))
    profiles[0].set_ylabel("contribution\n[mdex arcsec$^{-2}$]")
    axis = figure.add_subplot(grid[len(keys) + 1, :])
    data.append(_losses(axis, summary, keys, ("images", "band", "ring")))
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.15 * (high - low))  # room for the legend
    axis.legend(loc="upper right", ncols=len(keys))
    return figure, pd.concat(data, ignore_index=True)


def _draw_maps(figure: Figure, place: Any, pixels: pd.DataFrame, key: Key) -> None:
    """Draw a map of each band, all on one scale [mdex a square arcsecond]; native pixels are too many to be seen."""
    side = int(pixels["x"].max()) + 1
    scale = CUTOUT_SIZE * PIXEL_SCALE / side
    images = 1000 * pixels["contribution"].to_numpy().reshape(len(BANDS), side, side) / scale**2
    together = max(1, side // _MAP_SIDE)
    images = images.reshape(len(BANDS), side // together, together, side // together, together).mean(axis=(2, 4))
    norm = Normalize(0, float(images.max()) or 1.0)
    grid = GridSpecFromSubplotSpec(1, len(BANDS) + 1, place, width_ratios=[1] * len(BANDS) + [0.07])
    half = side * scale / 2
    for index, band in enumerate(BANDS):
        axis = figure.add_subplot(grid[index])
        axis.imshow(
            images[index], origin="lower", extent=(-half, half, -half, half), cmap=_CMAP, norm=norm,
            interpolation="nearest",
        )  # fmt: skip
        axis.set_title(f"{band}", pad=3)
        axis.grid(visible=False)
        axis.set_xticks([-10, 0, 10])
        axis.set_yticks([-10, 0, 10], None if index == 0 else [])
        if index == 0:
            axis.set_ylabel(f"{modality_label(key[0])}\nzoom {key[1]}\noffset [arcsec]", fontsize=8)
    bar = figure.colorbar(ScalarMappable(norm, _CMAP), cax=figure.add_subplot(grid[len(BANDS)]))
    bar.set_label("mdex arcsec$^{-2}$", fontsize=8)


def _profile(pixels: pd.DataFrame) -> pd.DataFrame:
    """Return ``band, radius, density``: the mean of a map in rings about the centre [mdex a square arcsecond]."""
    side = int(pixels["x"].max()) + 1
    scale = CUTOUT_SIZE * PIXEL_SCALE / side
    offset = [(pixels[axis].to_numpy(dtype=np.float64) - (side - 1) / 2) * scale for axis in ("x", "y")]
    width = max(scale, 1.0)
    ring = (np.hypot(*offset) / width).astype(np.int64)
    table = pd.DataFrame({"band": pixels["name"], "ring": ring, "radius": np.hypot(*offset)})
    table["density"] = 1000 * pixels["contribution"].to_numpy() / scale**2
    return table.groupby(["band", "ring"], as_index=False, sort=True)[["radius", "density"]].mean()


def saliency(regions: Mapping[Key, pd.DataFrame], maps: Mapping[Key, pd.DataFrame]) -> Drawn:
    """Draw where the CNN looks, beside a network of random weights: at rest wavelength, and pixel by pixel.

    Parameters
    ----------
    regions, maps
        Of each modality and zoom, as `hiss.evaluation.saliency.measure_saliency` returns them.
    """
    if not maps:
        return sentence_figure("The CNN is not asked what it looks at in this study."), pd.DataFrame({"part": []})
    spectral = _finest([key for key in maps if (maps[key]["part"] == "rest").any()])
    imaged = _finest([key for key in maps if (maps[key]["part"] == "pixel").any()])
    heights = [1.7] * len(spectral) + [1.5] * len(imaged) + [1.9]
    figure = plt.figure(figsize=(FULL_WIDTH, sum(heights) + 0.45 * len(heights)))
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    data = []
    for place, key in enumerate(spectral):
        axis = figure.add_subplot(grid[place])
        rows = maps[key][maps[key]["part"] == "rest"]
        for column, colour, label in (
            ("contribution_random", GREY, "random weights"),
            ("contribution", modality_colour(key[0]), _named(key)),
        ):
            steps = _steps(rows, column)
            axis.stairs(
                steps["density"], [*steps["low"], steps["high"].iloc[-1]], color=colour, label=label, baseline=None
            )
            data.append(steps.assign(modality=key[0], zoom=key[1], part="rest", network=label))
        axis.set_ylabel(_DENSITY)
        axis.set_ylim(0, 1.32 * axis.get_ylim()[1])
        _mark_rest(axis)
        axis.set_title(_likeness(regions[key]), loc="left", fontsize=8)
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=2)
        if place == len(spectral) - 1:
            axis.set_xlabel(_REST)
    for place, key in enumerate(imaged, start=len(spectral)):
        _draw_maps(figure, grid[place], maps[key][maps[key]["part"] == "pixel"], key)
    data.append(_moved(figure.add_subplot(grid[len(heights) - 1]), regions, _finest(list(regions))))
    return figure, pd.concat(data, ignore_index=True)


def _likeness(regions: pd.DataFrame) -> str:
    first = regions.iloc[0]
    told = f"rank correlation: contributions {first['likeness']:.2f}"
    return f"{told}, gradients {first['likeness_gradient']:.2f}".replace("-", "−")


def _moved(axis: Axes, regions: Mapping[Key, pd.DataFrame], keys: Sequence[Key]) -> pd.DataFrame:
    """Draw how far lines, bands and the rest move a prediction; hollow, of a network of random weights."""
    kinds = ("line", "continuum", "other", "band")
    parts = [regions[key][regions[key]["kind"].isin(kinds)].assign(modality=key[0], zoom=key[1]) for key in keys]
    rows = pd.concat(parts, ignore_index=True)
    order = rows.assign(place=rows["kind"].map({kind: place for place, kind in enumerate(kinds)}))
    order["within"] = order["low"].where(
        order["kind"] == "line", order["name"].map(dict(zip(BANDS, range(5), strict=True)))
    )
    names = order.sort_values(["place", "within"], kind="stable").drop_duplicates(["kind", "name"])
    at = {(row["kind"], row["name"]): place for place, row in enumerate(names.to_dict("records"))}
    for index, (modality, zoom) in enumerate(keys):
        own = rows[(rows["modality"] == modality) & (rows["zoom"] == zoom)]
        x = np.array([at[row["kind"], row["name"]] for row in own.to_dict("records")])
        x = x + (index - (len(keys) - 1) / 2) * 0.22
        colour, marker = modality_colour(modality), modality_marker(modality)
        axis.plot(x, own["contribution"], marker, color=colour, markersize=4.5, label=_named((modality, zoom)))
        axis.plot(x, own["contribution_random"], marker, color=colour, markersize=4.5, markerfacecolor="white")
    _name_columns(axis, names)
    axis.set(xlim=(-0.7, len(names) - 0.3), ylim=(0, 1.35 * axis.get_ylim()[1]), ylabel="moves a prediction\nby [dex]")
    axis.grid(visible=False, axis="x")
    axis.legend(loc="upper right", ncols=len(keys), title="filled: trained; hollow: random weights", title_fontsize=7.5)
    return rows.assign(part="region")
