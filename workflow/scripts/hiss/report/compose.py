"""Which table and figure goes where in the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from hiss.evaluation.collect import BASELINE_NAMES, model_name, model_order
from hiss.evaluation.meaning import COVERAGE_MEANING
from hiss.modality import FUSIONS
from hiss.report import answers as say
from hiss.report import study_tables, tables
from hiss.report.given import SampleTables, StudyTables
from hiss.report.page import FigureOnPage, Page, Section, provenance_tables
from hiss.report.phrases import count, listed

_SKY = {
    "simulated": "The sky is simulated: its numbers test the workflow and say nothing about real galaxies.",
    "local": "The sky is a folder of raw SDSS files.",
    "archive": "The sky is a region of the public SDSS archive.",
    "existing": "The cube is an existing one, made by the public HiSS-Cube; sigmas that it does not tell are unknown.",
}


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
    used = [_sample_section(sample, figures)]
    if study is not None:
        used = [
            Section("Accuracy against cost", "pareto", figures=_pick(figures, "fig_pareto")),
            *used,
            *_study_sections(study, figures),
        ]
    placed = {figure.name for section in used for figure in section.figures}
    others = [figure for name, figure in figures.items() if name not in placed]
    if others:
        used.append(Section("Other figures", "other", figures=others))
    return Page(
        title=title,
        summary=[f"Config {config}. {_SKY[sky]}", _counts(sample), *([_study_counts(study)] if study else [])],
        answers=say.answers(study) if study else _sample_answers(sample),
        sections=used,
        runs=study_tables.runs_table(study.runs, study.selection["path"]) if study else None,
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


def _step(sample: SampleTables, key: str) -> int:
    """Return what a step of the ledger leaves."""
    return int(sample.ledger.loc[sample.ledger["key"] == key, "count"].iloc[0])


def _study_counts(study: StudyTables) -> str:
    sides = study.split["split"].value_counts()
    fused, known = study.runs["modality"].isin(FUSIONS), study.runs["model"].isin(BASELINE_NAMES)
    trained = [count(int((~fused & ~known).sum()), "model")]
    trained += [count(int(known.sum()), "baseline")] if known.any() else []
    tested = [count(len(study.selection), "selected run")]
    tested += [count(int(fused.sum()), "fusion of predictions", "fusions of predictions")] if fused.any() else []
    return (
        f"{listed(trained)} were trained on "
        f"{sides.get('train', 0):,} galaxies and compared on {sides.get('validation', 0):,} others; "
        f"{listed(tested)} were tested once on {sides.get('test', 0):,} more."
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


def _study_sections(study: StudyTables, figures: Mapping[str, FigureOnPage]) -> list[Section]:
    """Return baselines, each model, and what was made of the selected settings; what was not asked for is left out."""
    comparisons = study.comparisons
    baselines = study.metrics["model"].isin(BASELINE_NAMES).any()
    content = [
        study_tables.baselines_table(study.metrics),
        study_tables.baseline_runs_table(study.runs),
        study_tables.above_baselines_table(study.metrics, comparisons),
    ]
    heading = "Baselines" if baselines else "The best of each model"
    sections = [_section(heading, "baselines", content, _pick(figures, "fig_baselines"))]
    sections += _model_sections(study, figures)
    content = [study_tables.models_table(comparisons), study_tables.zooms_table(comparisons)]
    sections.append(_section("Models and zooms compared", "comparison", content, _pick(figures, "fig_predicted_true")))
    content = [study_tables.fusions_table(comparisons)]
    sections.append(_section("Fusions", "fusions", content, _pick(figures, "fig_fusions")))
    if study.intervals is not None and len(study.intervals):
        content, drawn = [study_tables.intervals_table(study.intervals)], _pick(figures, "fig_intervals")
        sections.append(_section("Prediction intervals", "intervals", content, drawn, COVERAGE_MEANING))
    if study.cascade is not None:
        content = [study_tables.cascade_table(study.cascade)]
        sections.append(_section("Coarse to fine", "cascade", content, _pick(figures, "fig_cascade")))
    sections.append(_section("Costs", "costs", [study_tables.cost_table(study.metrics)], []))
    if study.variants is not None:
        content = [study_tables.variants_table(study.variants)]
        sections.append(_section("Variants", "variants", content, _pick(figures, "fig_variants")))
    return sections


def _section(
    heading: str,
    identifier: str,
    content: Sequence[tables.Table],
    figures: list[FigureOnPage],
    paragraphs: Sequence[str] = (),
) -> Section:
    """Return a section with those of its tables that have rows."""
    return Section(heading, identifier, list(paragraphs), [table for table in content if table.rows], figures)


def _model_sections(study: StudyTables, figures: Mapping[str, FigureOnPage]) -> list[Section]:
    names = study_tables.short_names(study.runs)
    return [
        Section(
            model_name(model),
            model,
            tables=[study_tables.metrics_table(study.metrics, model, names)],
            figures=_pick(figures, f"fig_metrics_{model}", f"fig_runtime_{model}", *_TRAINING_FIGURES.get(model, ())),
        )
        for model in model_order(study.metrics["model"])
        if model not in BASELINE_NAMES
    ]


_TRAINING_FIGURES = {
    "decision_tree": ("fig_dt_depth",),
    "lightgbm": ("fig_lightgbm_sweep", "fig_lightgbm_curves"),
    "vggnet12": ("fig_vgg_sweep", "fig_vgg_curves"),
}
