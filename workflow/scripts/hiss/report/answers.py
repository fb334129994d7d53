"""The answers of the study, as sentences made from its tables; the thesis's questions first."""

from dataclasses import dataclass

import pandas as pd

from hiss.evaluation.collect import BASELINE_NAMES, model_name
from hiss.report import answers_beyond as beyond
from hiss.report import answers_fusions as fusions
from hiss.report.answers_best import best_run, margins, zoom_question, zooms
from hiss.report.answers_diagnostics import calibration_sentences, learning_sentences, residual_sentences
from hiss.report.answers_importance import importance_sentences
from hiss.report.answers_label import label, r2_at_length
from hiss.report.given import StudyTables
from hiss.report.phrases import Row, looks_at, lowest, records, which
from hiss.report.recommend import budgets
from hiss.report.recommend import sentences as recommended
from hiss.report.thesis_claims import claims
from hiss.report.thesis_claims import sentences as claimed_sentences

_SMALL = 300  # test galaxies below which a ranking is called provisional


@dataclass(frozen=True)
class Answer:
    """A question of the study and what this run says to it."""

    question: str
    sentences: list[str]


def answers(study: StudyTables, sky: str) -> list[Answer]:
    """Return the answers that the tables allow, the most important first.

    Parameters
    ----------
    sky
        Its kind: simulated, local, archive or existing.
    """
    metrics, comparisons = study.metrics, study.comparisons
    learned = metrics[~metrics["model"].isin(BASELINE_NAMES)]
    best = lowest(learned, "validation_rmse")
    if best is None:
        return []
    claimed = claims(study)
    found = [
        Answer(
            "Which model predicts the star formation rate best, and from what?",
            [*best_run(metrics, best, claimed[0].verdict, sky), *margins(comparisons, learned)],
        ),
        Answer(zoom_question(comparisons), zooms(learned, comparisons, best)),
        Answer("Does early fusion beat the better single modality?", fusions.early(learned, comparisons)),
        Answer("Which model, modality and zoom for a given budget?", recommended(budgets(study))),
        Answer("Do the thesis's claims hold on this sky?", claimed_sentences(claimed)),
        Answer("What is the label, and what does its own noise allow?", label(study.labels, sky)),
        Answer("What does R² mean here?", r2_at_length(sky)),
        Answer(
            "How far is it above what is known without learning?",
            beyond.baselines(metrics, comparisons, best, study.fibre),
        ),
        Answer("Which lines and bands did LightGBM use?", importance_sentences(study.importance)),
        Answer("Which fusion is better, early or late?", fusions.early_or_late(learned, comparisons)),
        Answer("Does stacking beat the mean?", fusions.stacking(learned, comparisons)),
        Answer("Does attention beat concatenation?", fusions.attention(learned, comparisons, study.variants)),
        Answer("Does the choice of model matter?", _models(comparisons, best)),
        Answer("Is it enough to look closely at the uncertain objects?", beyond.cascade(study.cascade)),
        Answer("Do the prediction intervals hold what they promise?", beyond.intervals(study.intervals, learned)),
        Answer("Do they hold it at every level?", calibration_sentences(study.calibration)),
        Answer("What do the errors of the best run follow?", residual_sentences(study.trends)),
        Answer("What would more training galaxies bring?", learning_sentences(study.learning)),
        Answer("Would another sample, input or setting have changed the result?", beyond.variants(study.variants)),
        Answer("How small a difference can this test set tell?", _power(learned, comparisons)),
    ]
    return [answer for answer in found if answer.sentences]


def _models(comparisons: pd.DataFrame, best: Row) -> list[str]:
    part = comparisons[
        (comparisons["kind"] == "models")
        & (comparisons["modality"] == best["modality"])
        & (comparisons["zoom"] == best["zoom"])
    ]
    where = f"{looks_at(best['modality']).capitalize()} at zoom {int(best['zoom'])}: "
    return [where + which(row, model_name(row["a"]), model_name(row["b"])) for row in records(part)]


def _power(learned: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    if comparisons.empty:
        return []
    n = int(learned["n"].max())
    widths = ((comparisons["high"] - comparisons["low"]) / 2).dropna()
    if widths.empty:
        return [f"The test set has {n:,} galaxies, too few for an interval."]
    sentences = [
        f"With {n:,} test galaxies the paired intervals are about ±{widths.median():.3f} dex wide, "
        "so that smaller differences cannot be told from chance."
    ]
    if n < _SMALL:
        sentences.append("That is a small sample: read every ranking above as provisional.")
    sentences.append(
        "Each interval is a bootstrap over galaxies of one comparison by itself; of twenty such comparisons without "
        "any difference, one would be expected to exclude zero."
    )
    return sentences
