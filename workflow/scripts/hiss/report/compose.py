"""Which table and figure goes where in the report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hiss.evaluation.collect import BASELINE_NAMES, model_name, model_order
from hiss.evaluation.meaning import COVERAGE_MEANING
from hiss.modality import FUSIONS
from hiss.report import answers as say
from hiss.report import study_tables, tables
from hiss.report.beside import Beside, beside_sections
from hiss.report.cards import Group, object_links
from hiss.report.given import SampleTables, StudyTables
from hiss.report.interactive import Plot, pareto_plot, truth_plot
from hiss.report.links import phrase_links, survey_page, with_paths
from hiss.report.page import Export, FigureOnPage, Page, Section, provenance_tables
from hiss.report.phrases import count, listed
from hiss.report.recommend import budgets, recommendations_table
from hiss.report.runs_table import runs_table
from hiss.report.thesis_claims import claims, claims_table

_SKY = {
    "simulated": "The sky is simulated: its numbers test the workflow and say nothing about real galaxies.",
    "local": "The sky is a folder of raw SDSS files.",
    "archive": "The sky is a region of the public SDSS archive.",
    "existing": "The cube is an existing one, made by the public HiSS-Cube; sigmas that it does not tell are unknown.",
}


_OF_STUDY = [
    Export("../exports/predictions.parquet", "an object a row: place, label, prediction, interval, side and flags."),
    Export("../exports/predictions.fits", "the same for TOPCAT and astropy, with units and UCDs."),
    Export("../exports/predictions.vot", "the same as a VOTable."),
    Export("../exports/predictions_all.parquet", "the predictions of every selected run, one below the other."),
]
_OF_ALL = [
    Export("../exports/summary.json", "what this report says, for a program to read."),
    Export("../ro-crate-metadata.json", "what every file of this run is, for a deposit (RO-Crate)."),
]


def compose(
    title: str,
    config: str,
    sky: str,
    sample: SampleTables,
    study: StudyTables | None,
    figures: Mapping[str, FigureOnPage],
    record: Mapping[str, Any],
    gallery: Sequence[Group] = (),
    beside: Beside | None = None,
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
    gallery
        As `hiss.report.cards.load_gallery` returns it.
    beside
        What the studies beside the main one left behind; None where all are switched off.
    """
    if study is not None:
        study = replace(study, metrics=with_paths(study.metrics, study.runs, study.selection))
    used = [_sample_section(sample, figures), *_drawn(figures, *_NEIGHBOURS)]
    if study is not None:
        used = [
            Section(
                "Accuracy against cost",
                "pareto",
                tables=_filled(recommendations_table(budgets(study))),
                figures=_pick(figures, "fig_pareto"),
                plots=_plots(pareto_plot(study.runs, study.metrics)),
            ),
            Section("The thesis's claims", "claims", tables=_filled(claims_table(claims(study)))),
            *used,
            *_study_sections(study, figures, _plots(_one_by_one(study, gallery, sky))),
        ]
    used += beside_sections(beside, figures) if beside else []
    placed = {figure.name for section in used for figure in section.figures}
    others = [figure for name, figure in figures.items() if name not in placed]
    if others:
        used.append(Section("Other figures", "other", figures=others))
    return Page(
        title=title,
        summary=[f"Config {config}. {_SKY[sky]}", _counts(sample), *([_study_counts(study)] if study else [])],
        answers=say.answers(study, sky) if study else sample_answers(sample),
        sections=used,
        runs=runs_table(study.runs, study.selection["path"], _ceiling(study)) if study else None,
        provenance=provenance_tables(record, sky),
        gallery=list(gallery),
        exports=[*(_OF_STUDY if study else []), *_OF_ALL],
        links=phrase_links(study.metrics) if study else {},
    )


def _ceiling(study: StudyTables) -> float:
    """Return the R2 that the width of the labels of the test set allows; it is the same for all runs."""
    return float(study.metrics["r2_ceiling"].iloc[0])


def _filled(*content: tables.Table) -> list[tables.Table]:
    """Return those of some tables that have rows."""
    return [table for table in content if table.rows]


def _plots(plot: Plot | None) -> list[Plot]:
    return [plot] if plot else []


def _one_by_one(study: StudyTables, gallery: Sequence[Group], sky: str) -> Plot | None:
    """Return the plot of the best run's test objects, each leading to its picture, or to the survey of a real sky."""
    if study.tests is None or study.objects is None:
        return None
    elsewhere = {}
    if sky != "simulated":
        places = study.objects[["target_id", "ra", "dec"]].itertuples(index=False)
        elsewhere = {int(target): survey_page(ra, dec) for target, ra, dec in places}
    return truth_plot(study.metrics, study.tests, study.objects, object_links(gallery, elsewhere))


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


def sample_answers(sample: SampleTables) -> list[say.Answer]:
    """Return what there is to say of a sample without a study."""
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


_NEIGHBOURS = ("Neighbours and gaps", "neighbours", "fig_neighbours", "fig_sample_choices")
_DIAGNOSTICS = ("Diagnostics", "diagnostics", "fig_residuals")
_LOOKED_AT = (
    "What the models look at",
    "importance",
    "fig_importance_spectrum",
    "fig_importance_images",
    "fig_saliency",
)
_SAMPLE_SIZE = ("Sample size", "sample-size", "fig_learning_curve")


def _drawn(figures: Mapping[str, FigureOnPage], heading: str, identifier: str, *names: str) -> list[Section]:
    """Return a section of those of the figures that there are; none where there is none."""
    picked = _pick(figures, *names)
    return [Section(heading, identifier, figures=picked)] if picked else []


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
            "fig_1_3_filters",
            "fig_2_1_avg_distribution",
            "fig_2_2_missing_flux",
            "fig_2_3_gap_lengths",
            "fig_2_4_gap_wavelengths",
            "fig_2_5_multi_objects",
            "fig_3_3_class_counts",
            "fig_label_scatter",
        ),
    )


def _study_sections(study: StudyTables, figures: Mapping[str, FigureOnPage], plots: list[Plot]) -> list[Section]:
    """Return baselines, each model, and what was made of the selected settings; what was not asked for is left out.

    The plots are of predictions against labels.
    """
    comparisons = study.comparisons
    baselines = study.metrics["model"].isin(BASELINE_NAMES).any()
    content = [
        study_tables.baselines_table(study.metrics),
        study_tables.baseline_runs_table(study.runs, _ceiling(study)),
        study_tables.above_baselines_table(study.metrics, comparisons),
    ]
    heading = "Baselines" if baselines else "The best of each model"
    sections = [_section(heading, "baselines", content, _pick(figures, "fig_baselines"))]
    sections += _model_sections(study, figures)
    content = [study_tables.best_table(comparisons), study_tables.models_table(comparisons)]
    content.append(study_tables.zooms_table(comparisons, study.metrics))
    drawn = _pick(figures, "fig_predicted_true")
    sections.append(_section("Models and zooms compared", "comparison", content, drawn, plots=plots))
    content = [study_tables.fusions_table(comparisons)]
    sections.append(_section("Fusions", "fusions", content, _pick(figures, "fig_fusions")))
    if study.intervals is not None and len(study.intervals):
        content = [study_tables.intervals_table(study.intervals)]
        drawn = _pick(figures, "fig_intervals", "fig_calibration")
        sections.append(_section("Prediction intervals", "intervals", content, drawn, COVERAGE_MEANING))
    sections += _drawn(figures, *_DIAGNOSTICS) + _drawn(figures, *_LOOKED_AT) + _drawn(figures, *_SAMPLE_SIZE)
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
    plots: Sequence[Plot] = (),
) -> Section:
    """Return a section with those of its tables that have rows."""
    return Section(heading, identifier, list(paragraphs), _filled(*content), figures, list(plots))


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
    "lightgbm": (
        *(f"fig_lightgbm_sweep_{modality}" for modality in ("photo", "spectra", "early")),
        "fig_lightgbm_curves",
    ),
    "vggnet12": ("fig_vgg_sweep", "fig_vgg_curves"),
}
