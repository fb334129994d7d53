"""The tables that a report is made of."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class SampleTables:
    """What is known of the sky and the sample."""

    manifest: pd.DataFrame
    rejects: pd.DataFrame
    ledger: pd.DataFrame
    gaps: pd.DataFrame


@dataclass(frozen=True)
class StudyTables:
    """What came out of the experiments; what the config switches off is None."""

    runs: pd.DataFrame
    selection: pd.DataFrame
    metrics: pd.DataFrame
    comparisons: pd.DataFrame
    split: pd.DataFrame
    intervals: pd.DataFrame | None = None
    variants: pd.DataFrame | None = None
    cascade: pd.DataFrame | None = None
    labels: pd.DataFrame | None = None
    """What the label's own noise is, one row."""
    importance: pd.DataFrame | None = None
    """Which lines and bands LightGBM used."""
    trends: pd.DataFrame | None = None
    """What the residuals of the best run follow."""
    calibration: pd.DataFrame | None = None
    """Coverage of the intervals at many levels."""
    learning: pd.DataFrame | None = None
    """What more training galaxies bring, one row a model and modality."""
    tests: pd.DataFrame | None = None
    """Predictions of the test objects by all selected runs; with ``objects`` they are plotted one by one."""
    objects: pd.DataFrame | None = None
    """The sample's objects."""
    fibre: str = ""
    """What the spectrograph's fibre costs, in a sentence of the H-alpha baseline."""
