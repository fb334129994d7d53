"""Which table and figure goes where in the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hiss.evaluation.collect import model_name, model_order
from hiss.report import answers as say
from hiss.report import tables
from hiss.report.page import FigureOnPage, Page, Section, provenance_tables

_SKY = {
    "simulated": "The sky is simulated: its numbers test the workflow and say nothing about real galaxies.",
    "local": "The sky is a folder of raw SDSS files.",
    "archive": "The sky is a region of the public SDSS archive.",
    "existing": "The cube is an existing one, made by the public HiSS-Cube; sigmas that it does not tell are unknown.",
}


@dataclass(frozen=True)
class SampleTables:
    """What is known of the sky and the sample."""

    manifest: pd.DataFrame
    rejects: pd.DataFrame
    ledger: pd.DataFrame
    gaps: pd.DataFrame


@dataclass(frozen=True)
class StudyTables:
    """What came out of the experiments."""

    runs: pd.DataFrame
    selection: pd.DataFrame
    metrics: pd.DataFrame
    comparisons: pd.DataFrame
    split: pd.DataFrame


def compose(
    title: str,
    config: str,
    sky: str,
    sample: SampleTables,
    study: StudyTables | None,
    figures: Mapping[str, FigureOnPage],
    record: Mapping[str, Any],
) -> Page:
    """Return the page of a study, or of a sample alone where ``study`` is None.

    Parameters
    ----------
    config, sky
        Name of the config file and kind of sky: simulated, local, archive or existing.
    figures
        As `hiss.report.page.load_figures` returns them; those that have no place of their own come last.
    record
        As `hiss.provenance.provenance` returns it.
    """
    used: list[Section] = [_sample_section(sample, figures)]
    if study is not None:
        used += [*_model_sections(study, figures), _comparison_section(study, figures)]
    placed = {figure.name for section in used for figure in section.figures}
    others = [figure for name, figure in figures.items() if name not in placed]
    if others:
        used.append(Section("Other figures", "other", figures=others))
    return Page(
        title=title,
        summary=[f"Config {config}. {_SKY[sky]}", _counts(sample), *([_study_counts(study)] if study else [])],
        answers=say.answers(study.metrics, study.comparisons) if study else _sample_answers(sample),
        sections=used,
        runs=tables.runs_table(study.runs, study.selection["path"]) if study else None,
        provenance=provenance_tables(record, sky),
    )


def _counts(sample: SampleTables) -> str:
    kinds = sample.manifest["kind"].value_counts()
    return (
        f"From {count(kinds.get('frame', 0), 'frame')} and {count(kinds.get('spectrum', 0), 'spectrum', 'spectra')} "
        f"a cube of {count(_step(sample, 'image_and_spectrum'), 'object')} with both was built; "
        f"{count(len(sample.rejects), 'input')} {'was' if len(sample.rejects) == 1 else 'were'} set aside, "
        "with the reason of each."
    )


def count(number: int, singular: str, plural: str = "") -> str:
    """Return ``1 object`` or ``2 objects``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _step(sample: SampleTables, key: str) -> int:
    """Return what a step of the ledger leaves."""
    return int(sample.ledger.loc[sample.ledger["key"] == key, "count"].iloc[0])


def _study_counts(study: StudyTables) -> str:
    sides = study.split["split"].value_counts()
    trained = int((study.runs["modality"] != "late").sum())
    fused = len(study.runs) - trained
    return (
        f"{trained:,} models were trained on {sides.get('train', 0):,} galaxies and compared on "
        f"{sides.get('validation', 0):,} others; the {len(study.selection):,} selected ones"
        + (f" and {fused:,} late fusions" if fused else "")
        + f" were tested once on {sides.get('test', 0):,} more."
    )


def _sample_answers(sample: SampleTables) -> list[say.Answer]:
    targets, labelled = _step(sample, "image_and_spectrum"), _step(sample, "avg_valid")
    objects = [f"{count(targets, 'object')} with images in all five bands and a spectrum."]
    objects.append(
        f"With a usable star formation rate: {labelled:,} of them."
        if labelled
        else "None has a usable star formation rate, so that nothing can be learned from this sky."
    )
    reasons = sample.rejects["reason"].value_counts()
    aside = [f"{count(n, 'file')} for this reason: {reason}." for reason, n in list(reasons.items())[:3]]
    return [
        say.Answer("What is in the cube?", objects),
        say.Answer("What was set aside?", aside or ["Nothing: every file is in the cube."]),
    ]


def _pick(figures: Mapping[str, FigureOnPage], *names: str) -> list[FigureOnPage]:
    return [figures[name] for name in names if name in figures]


def _sample_section(sample: SampleTables, figures: Mapping[str, FigureOnPage]) -> Section:
    rejects = tables.rejects_table(sample.rejects)
    return Section(
        "The sample",
        "sample",
        [] if rejects.rows else ["Every input file is in the cube; none was set aside."],
        [tables.ledger_table(sample.ledger), tables.gap_table(sample.gaps), *([rejects] if rejects.rows else [])],
        _pick(
            figures,
            "fig_1_1_example_object",
            "fig_2_1_avg_distribution",
            "fig_2_2_missing_flux",
            "fig_2_3_gap_lengths",
            "fig_2_4_gap_wavelengths",
            "fig_2_5_multi_objects",
        ),
    )


def _model_sections(study: StudyTables, figures: Mapping[str, FigureOnPage]) -> list[Section]:
    names = tables.short_names(study.runs)
    return [
        Section(
            model_name(model),
            model,
            tables=[tables.metrics_table(study.metrics, model, names), tables.runtime_table(study.metrics, model)],
            figures=_pick(figures, f"fig_metrics_{model}", f"fig_runtime_{model}", *_TRAINING_FIGURES.get(model, ())),
        )
        for model in model_order(study.metrics["model"])
    ]


_TRAINING_FIGURES = {
    "decision_tree": ("fig_dt_depth",),
    "lightgbm": ("fig_lightgbm_sweep", "fig_lightgbm_curves"),
    "vggnet12": ("fig_vgg_sweep", "fig_vgg_curves"),
}


def _comparison_section(study: StudyTables, figures: Mapping[str, FigureOnPage]) -> Section:
    return Section(
        "Modalities and models compared",
        "comparison",
        tables=[tables.comparisons_table(study.comparisons)],
        figures=_pick(figures, "fig_predicted_true", "fig_pareto"),
    )
