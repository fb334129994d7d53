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
    fibre: str = ""
    """What the spectrograph's fibre costs, in a sentence of the H-alpha baseline."""
