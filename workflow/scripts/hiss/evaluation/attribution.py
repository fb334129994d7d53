"""What each part of the features adds to predictions, object by object, gathered over many objects.

Both TreeSHAP and integrated gradients share a prediction's distance from a reference out among the features, so that
the parts add up to it [dex]. Summed over a region first and averaged without sign over objects then, they tell how far
the region moves a prediction. Lines are found at each object's own redshift, which the model is not told.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.bands import BANDS
from hiss.evaluation.regions import CONTINUUM, Layout, Region, has_line, in_window, lines_within, regions_of

Array = NDArray[np.float64]

REGION_COLUMNS: Final = ["kind", "name", "low", "high", "n", "feature_share", "contribution"]
MAP_COLUMNS: Final = ["part", "name", "y", "x", "wavelength", "contribution", "signed"]

_REST_STEP: Final = 5.0  # Angstrom, least width of a bin at rest


class Attribution:
    """Sums over objects of what their features add to predictions.

    Parameters
    ----------
    layout
        Of the features.
    redshift
        (n,) of all objects to come, in order; NaN where unknown.
    """

    def __init__(self, layout: Layout, redshift: Array) -> None:
        self._layout = layout
        self._redshift = redshift
        self._regions = regions_of(layout)
        self._lines = lines_within(layout.wl, redshift)
        self._done = 0
        self._absolute, self._signed = np.zeros(layout.n_columns), np.zeros(layout.n_columns)
        self._of_region = np.zeros(len(self._regions))
        self._of_line = np.zeros(len(self._lines) + 1)  # and of the continuum
        self._samples_in_line = np.zeros(len(self._lines) + 1)
        self._with_line = np.zeros(len(self._lines) + 1, dtype=np.int64)
        self.covers = np.zeros((len(self._lines) + 1, len(layout.wl)))
        """Objects that have each line, and last none, at each sample."""
        self._rest = _RestBins(layout.wl, redshift)

    def add(self, contributions: Array) -> None:
        """Add the next objects: (b, n_columns), what each feature adds to the prediction [dex]."""
        redshift = self._redshift[self._done : self._done + len(contributions)]
        self._done += len(contributions)
        self._absolute += np.abs(contributions).sum(axis=0)
        self._signed += contributions.sum(axis=0)
        for place, region in enumerate(self._regions):
            self._of_region[place] += np.abs(contributions[:, region.columns].sum(axis=1)).sum()
        if not len(self._layout.wl):
            return
        spectrum = contributions[:, self._layout.samples]
        known = np.isfinite(redshift)
        free = np.broadcast_to(known[:, None], spectrum.shape).copy()
        for place, line in enumerate(self._lines):
            window = in_window(self._layout.wl, redshift, line)
            free &= ~window
            self._add_window(place, spectrum, window & has_line(self._layout.wl, redshift, line)[:, None])
        self._add_window(len(self._lines), spectrum, free)
        self._rest.add(spectrum[known], redshift[known])

    def _add_window(self, place: int, spectrum: Array, window: NDArray[np.bool_]) -> None:
        self._of_line[place] += np.abs((spectrum * window).sum(axis=1)).sum()
        self._with_line[place] += int(window.any(axis=1).sum())
        self._samples_in_line[place] += window.sum()
        self.covers[place] += window.sum(axis=0)

    @property
    def regions(self) -> list[Region]:
        """The regions that are the same columns for all objects."""
        return self._regions

    def regions_table(self) -> pd.DataFrame:
        """Return `REGION_COLUMNS`, a row a region, then the lines, then what is in none of their windows.

        ``contribution`` [dex] is how far the region moves a prediction, in the mean over the ``n`` objects that have
        it; ``feature_share`` is its share of all features; ``low, high`` are radii [arcsec], or observed wavelengths
        [Angstrom] over the objects' redshifts.
        """
        n_columns, n = self._layout.n_columns, max(1, self._done)
        rows: list[tuple[object, ...]] = [
            (
                one.kind,
                one.name,
                one.low,
                one.high,
                self._done,
                len(one.columns) / n_columns,
                self._of_region[place] / n,
            )
            for place, one in enumerate(self._regions)
        ]
        for place, line in enumerate(self._lines):
            seen = has_line(self._layout.wl, self._redshift, line)
            ends = line.observed(self._redshift[seen])
            rows.append(("line", line.name, *ends, *self._of_window(place)))
        if self._lines:
            ends = float(self._layout.wl.min()), float(self._layout.wl.max())
            rows.append((CONTINUUM, "between the lines", *ends, *self._of_window(len(self._lines))))
        return pd.DataFrame(rows, columns=REGION_COLUMNS)

    def _of_window(self, place: int) -> tuple[int, float, float]:
        n = max(1, self._with_line[place])
        share = self._samples_in_line[place] / n / self._layout.n_columns
        return int(self._with_line[place]), share, self._of_line[place] / n

    def shares(self, weight: Array) -> Array:
        """Return for each row of `regions_table` its share of a weight (n_columns,) of the features, such as gain.

        A sample that is a line's in a part of the objects gives that part of its weight.
        """
        total = weight.sum() or 1.0
        fixed = [weight[region.columns].sum() for region in self._regions]
        if self._lines:
            fixed += (self.covers / max(1, self._done) @ weight[self._layout.samples]).tolist()
        return np.array(fixed) / total

    def map_table(self) -> pd.DataFrame:
        """Return `MAP_COLUMNS`, a row a feature, then a row a bin of wavelength at rest.

        ``part`` is ``pixel`` (``name`` is the band), ``sample``, ``other`` or ``rest``; ``contribution`` is the mean
        over objects without, ``signed`` with its sign [dex], of rest bins of the sum over the bin's samples.
        """
        n = max(1, self._done)
        layout = self._layout
        band, y, x = (
            axis.ravel() for axis in np.meshgrid(np.arange(len(BANDS)), *[np.arange(layout.side)] * 2, indexing="ij")
        )
        parts = [
            pd.DataFrame({"part": "pixel", "name": np.array(BANDS)[band], "y": y, "x": x}),
            pd.DataFrame({"part": "sample", "wavelength": layout.wl}),
            pd.DataFrame({"part": "other", "name": list(layout.extras)}),
        ]
        table = pd.concat([part for part in parts if len(part)], ignore_index=True).reindex(columns=MAP_COLUMNS)
        table["contribution"], table["signed"] = self._absolute / n, self._signed / n
        rest = self._rest.table()
        if len(rest):
            table = pd.concat([table, rest.assign(part="rest")], ignore_index=True)
        return table.astype({"y": "Int64", "x": "Int64"})[MAP_COLUMNS]


class _RestBins:
    """Contributions by wavelength at rest."""

    def __init__(self, wl: Array, redshift: Array) -> None:
        known = redshift[np.isfinite(redshift)]
        self._wl, self._edges = wl, np.empty(0)
        if len(wl) > 1 and len(known):
            step = max(_REST_STEP, float(np.diff(wl).max()))
            low, high = wl.min() / (1 + known.max()), wl.max() / (1 + known.min())
            self._edges = low + step * np.arange(int((high - low) / step) + 2)
        size = max(0, len(self._edges) - 1)
        self._absolute, self._signed, self._n = np.zeros(size), np.zeros(size), np.zeros(size)

    def add(self, spectrum: Array, redshift: Array) -> None:
        size = len(self._n)
        if not size or not len(spectrum):
            return
        rest = self._wl / (1 + redshift[:, None])
        place = np.clip(((rest - self._edges[0]) / (self._edges[1] - self._edges[0])).astype(np.int64), 0, size - 1)
        flat = (np.arange(len(spectrum))[:, None] * size + place).ravel()
        sums = np.bincount(flat, spectrum.ravel(), len(spectrum) * size).reshape(-1, size)
        seen = np.bincount(flat, minlength=len(spectrum) * size).reshape(-1, size) > 0
        self._absolute += np.abs(sums).sum(axis=0)
        self._signed += sums.sum(axis=0)
        self._n += seen.sum(axis=0)

    def table(self) -> pd.DataFrame:
        if not len(self._edges) or not self._n.max():
            return pd.DataFrame()
        n = np.where(self._n >= max(2, 0.1 * self._n.max()), self._n, np.nan)  # few objects reach the ends
        middle = (self._edges[1:] + self._edges[:-1]) / 2
        table = pd.DataFrame({"wavelength": middle, "contribution": self._absolute / n, "signed": self._signed / n})
        return table[table["contribution"].notna()]
