"""The report: its numbers are those of its tables, it needs nothing but itself, and it says when it cannot tell."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_results import drawn_sample, drawn_single, drawn_study

from hiss.errors import HissError
from hiss.evaluation.meaning import COVERAGE_MEANING
from hiss.files import read_table
from hiss.report.answers import answers
from hiss.report.given import StudyTables
from hiss.report.page import load_figures, read_caption
from hiss.report.phrases import fixed, modality_phrase
from hiss.report.study_tables import cost_table, runs_table, short_names
from hiss.report.tables import gap_table, ledger_table, rejects_table

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Text, tags and attributes of a page; fails on tags that do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert not page.open
    return page


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def page(study: Path) -> Page:
    return _read(study / "report" / "report.html")


def test_the_numbers_of_the_tables_are_in_the_report(study: Path, page: Page) -> None:
    for row in read_table(study / "evaluation/metrics.csv").to_dict("records"):
        if row["model"] in ("decision_tree", "lightgbm"):
            assert f"{fixed(row['rmse'])} ({fixed(row['rmse_low'])} to {fixed(row['rmse_high'])})" in page.text
        assert f"{fixed(row['r2'])} ({fixed(row['r2_low'])} to {fixed(row['r2_high'])})" in page.text
    compared = read_table(study / "evaluation/comparisons.csv")
    assert {"modalities", "models", "zooms", "baselines"} == set(compared["kind"])
    for row in compared[compared["kind"] != "baselines"].to_dict("records"):
        assert f"{row['low']:+.3f} to {row['high']:+.3f}".replace("-", "−") in page.text
    for row in read_table(study / "sample/flag0/ledger.csv").to_dict("records"):
        assert f"{row['count']:,}" in page.text
        assert f"{row['thesis']:,}" in page.text
    for value in ("12,207", "34.69", "4,620", "5.46"):
        assert value in page.text
    assert "20 frames and 250 spectra" in page.text
    assert "4 inputs were set aside" in page.text


def test_every_run_is_listed_with_a_link_that_leads_to_it(study: Path, page: Page) -> None:
    links = [link for link in page.attributes("href") if link.startswith("../runs/")]
    runs = read_table(study / "evaluation/runs.csv")
    assert links[-len(runs) :] == [f"../{path}/" for path in runs["path"]]
    assert all((study / "report" / link / "metrics.json").is_file() for link in links)


def test_links_to_figure_data_lead_to_files(study: Path, page: Page) -> None:
    links = [link for link in page.attributes("href") if link.startswith("figures/")]
    assert len(links) == len(list((study / "report" / "figures").glob("*.svg"))) == 20
    assert all((study / "report" / link).is_file() for link in links)


def test_links_inside_the_page_have_their_target_and_ids_are_unique(page: Page) -> None:
    identifiers = page.attributes("id")
    assert len(set(identifiers)) == len(identifiers)
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(identifiers)


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    assert all(source.startswith("data:") for source in page.attributes("src"))
    links = [attrs["href"] for tag, attrs in page.tags if tag == "link"]
    assert links == ["data:,"]
    assert not [link for link in page.attributes("href") if re.match(r"(?i)(https?:)?//|/", link)]


def test_nothing_is_loaded_by_style_or_script(study: Path) -> None:
    html = (study / "report" / "report.html").read_text()
    for part in re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", html, re.DOTALL):
        assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest", part)


def test_markup_in_the_data_is_shown_not_obeyed(study: Path, page: Page) -> None:
    assert "A miniature <study> & its report" in page.text
    assert "truncated <bz2> & broken" in page.text
    assert "study" not in {tag for tag, _ in page.tags}


def test_tables_and_images_can_be_read_aloud(page: Page) -> None:
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    assert heads
    assert all(attrs.get("scope") in ("row", "col") for attrs in heads)
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 20
    assert all(len(attrs["alt"] or "") > 20 for attrs in images)
    assert page.attributes("lang") == ["en"]
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert [tag for tag, _ in page.tags].count("table") == [tag for tag, _ in page.tags].count("caption")
    labelled = [attrs["for"] for tag, attrs in page.tags if tag == "label"]
    assert labelled == [attrs["id"] for tag, attrs in page.tags if tag == "input"]
    sortable = [attrs for attrs in heads if "aria-sort" in attrs]
    assert len(sortable) == [tag for tag, _ in page.tags].count("button") == 12


def test_a_sky_without_labels_has_a_report_of_its_sample(tmp_path_factory: pytest.TempPathFactory) -> None:
    page = _read(drawn_sample(tmp_path_factory.getbasetemp()) / "report" / "report.html")
    assert "None has a usable star formation rate" in page.text
    assert "2 files for this reason: no frame covers it." in page.text
    assert "One object of the sample" in page.text
    assert "All runs" not in page.text
    assert "4,851,200" in page.text


# ---- sections ----


def _headings(page: Page) -> list[str]:
    return [attrs["aria-labelledby"].removesuffix("-heading") for tag, attrs in page.tags if tag == "section"]


def test_every_part_of_the_study_has_its_section(page: Page) -> None:
    assert _headings(page) == [
        *("answers", "pareto", "sample", "baselines", "decision_tree", "lightgbm", "comparison", "fusions"),
        *("intervals", "cascade", "costs", "variants", "runs", "provenance"),
    ]
    for sentence in COVERAGE_MEANING:
        assert " ".join(sentence.split()) in page.text


def test_what_is_switched_off_is_not_in_the_report(tmp_path_factory: pytest.TempPathFactory) -> None:
    page = _read(drawn_single(tmp_path_factory.getbasetemp()) / "report" / "report.html")
    assert _headings(page) == [
        *("answers", "pareto", "sample", "baselines", "decision_tree", "comparison", "fusions", "costs"),
        *("runs", "provenance"),
    ]
    assert "The best of each model" in page.text
    assert "Decision tree on the images alone at zoom 3" in page.text
    assert "fusions of predictions" not in page.text
    for question in ("known without learning", "Does stacking", "promise", "uncertain objects", "Would another sample"):
        assert question not in page.text


def test_long_tables_are_folded_and_their_rows_are_there(study: Path, page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("details") == tags.count("summary") > 0
    pairs = read_table(study / "evaluation/comparisons.csv")
    assert f"Fusions and single modalities ({(pairs['kind'] == 'modalities').sum()} rows)" in page.text


def test_every_variant_of_the_study_is_a_row(study: Path, page: Page) -> None:
    for row in read_table(study / "evaluation/variants.csv").to_dict("records"):
        assert row["changed"] in page.text
        if np.isfinite(row["low"]):
            assert f"{row['low']:+.3f} to {row['high']:+.3f}".replace("-", "−") in page.text


def test_coverage_stands_beside_its_level(study: Path, page: Page) -> None:
    table = read_table(study / "evaluation/intervals.csv")
    for row in table[table["bin"] == "all"].to_dict("records"):
        low, high = 100 * row["coverage_low"], 100 * row["coverage_high"]
        assert f"{100 * row['coverage']:.1f} ({low:.1f} to {high:.1f})" in page.text
    assert "Nominal 90 %" in page.text


def test_costs_name_the_gpu_only_where_there_is_one(study: Path) -> None:
    metrics = read_table(study / "evaluation/metrics.csv")
    names = [name for name, _ in cost_table(metrics).columns]
    assert "fit, processor [s]" in names
    assert "fit, GPU [s]" not in names
    table = cost_table(metrics.assign(gpu_s=[1.5] + [0.0] * (len(metrics) - 1)))
    column = [name for name, _ in table.columns].index("fit, GPU [s]")
    assert [row[column].text for row in table.rows[:2]] == ["1.500", ""]


# ---- answers ----


def _metrics(n: int = 2000) -> pd.DataFrame:
    rows = []
    runs = [("lightgbm", "photo", 0.5), ("lightgbm", "spectra", 0.4), ("lightgbm", "early", 0.3)]
    runs += [("lightgbm", "late", 0.35), ("lightgbm", "stacked", 0.33), ("halpha", "lines", 0.2)]
    for model, modality, value in runs:
        settings = "scale=fitted" if model == "halpha" else "a=1"
        row = {"model": model, "modality": modality, "zoom": 0, "settings": settings, "n": n, "fit_s": 2.0}
        for name in ("r2", "rmse"):
            row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
        rows.append(row | {"validation_rmse": value, "r2_ceiling": 0.9})
    return pd.DataFrame(rows)


def _study(delta: float, low: float, high: float, n: int = 2000, **tables: pd.DataFrame) -> StudyTables:
    pair = {"kind": "modalities", "model": "lightgbm", "modality": "", "zoom": 0, "n": n}
    pair |= {"delta_rmse": delta, "low": low, "high": high}
    pairs = [pair | {"a": "early", "b": "spectra"}, pair | {"a": "stacked", "b": "late"}]
    pairs.append(pair | {"kind": "baselines", "modality": "early", "a": "lightgbm", "b": "halpha"})
    none = pd.DataFrame()
    return StudyTables(none, none, _metrics(n), pd.DataFrame(pairs), none, **tables)


def _said(*given: float, **tables: pd.DataFrame) -> str:
    found = answers(_study(*given, **tables))
    return " ".join(sentence for answer in found for sentence in answer.sentences).replace("\u00a0", " ")


def test_the_verdict_follows_the_interval() -> None:
    said = _said(-0.1, -0.15, -0.05)
    assert "yes. The RMSE of early fusion is lower than that of the spectra alone by 0.100 dex" in said
    assert "95 % interval −0.150 to −0.050" in said
    assert "stacked fusion beats late fusion" in said
    assert "the model's RMSE is lower by 0.100 dex" in said
    said = _said(0.1, 0.05, 0.15)
    assert "no. The RMSE of early fusion is higher" in said
    assert "late fusion beats stacked fusion" in said
    assert "the model's RMSE is higher by 0.100 dex (95 % interval +0.050 to +0.150): it does not pay" in said
    said = _said(-0.1, -0.25, 0.05)
    assert "LightGBM at zoom 0: the two cannot be told apart. The RMSE of early fusion differs" in said
    assert "stacked fusion and late fusion cannot be told apart" in said
    assert "the two cannot be told apart (RMSE difference −0.100 dex" in said
    assert _said(-0.1, np.nan, np.nan).count("too few objects for an interval") == 3


def test_what_the_fibre_costs_stands_beside_the_baselines() -> None:
    study = replace(_study(-0.1, -0.15, -0.05), fibre="The fibre sees a fifth of it.")
    said = {answer.question: answer.sentences for answer in answers(study)}
    assert said["How far is it above what is known without learning?"][-1] == "The fibre sees a fifth of it."


def test_the_best_run_is_no_baseline_and_is_named_with_its_interval_and_the_thesis() -> None:
    said = _said(-0.1, -0.15, -0.05)
    assert "LightGBM with early fusion at zoom 0 (a=1) has the lowest RMSE on the validation set" in said
    assert "its RMSE is 0.300 dex (95 % interval 0.200 to 0.400)" in said
    assert "This is the thesis's finding too" in said
    assert "The H-alpha luminosity (scale=fitted) has an R² of 0.200 (95 % interval 0.100 to 0.300)" in said


def test_what_r2_means_follows_the_first_r2() -> None:
    questions = [answer.question for answer in answers(_study(-0.1, -0.15, -0.05))]
    assert questions[1] == "What does R² mean here?"
    assert "emulates MPA-JHU" in _said(-0.1, -0.15, -0.05)


def test_a_small_sample_is_called_small() -> None:
    assert "That is a small sample" in _said(-0.1, -0.2, 0.0, 80)
    assert "That is a small sample" not in _said(-0.1, -0.2, 0.0, 2000)
    assert "about ±0.100 dex" in _said(-0.1, -0.2, 0.0, 80)


def _intervals(low: float, high: float) -> pd.DataFrame:
    row = {"model": "lightgbm", "modality": "early", "zoom": 0, "method": "residuals", "level": 0.9, "n": 100}
    row |= {"coverage": (low + high) / 2, "coverage_low": low, "coverage_high": high, "mean_width": 1.0}
    dull = row | {"bin": "1", "avg_low": -2.0, "avg_high": -1.0, "coverage": 0.6, "coverage_high": 0.8}
    return pd.DataFrame([row | {"bin": "all", "avg_low": -2.0, "avg_high": 2.0}, dull])


def test_coverage_is_read_by_its_interval() -> None:
    assert "cannot be told apart from 90 %" in _said(-0.1, -0.2, 0.0, intervals=_intervals(0.85, 0.93))
    short = _said(-0.1, -0.2, 0.0, intervals=_intervals(0.7, 0.88))
    assert "fewer than promised" in short
    assert "of log SFR −2.0 to −1.0 they hold only 60 %" in short
    assert "more than promised" in _said(-0.1, -0.2, 0.0, intervals=_intervals(0.92, 0.99))


def _variant(name: str, low: float, high: float) -> dict[str, object]:
    row = {"variant": name, "changed": f"{name} changed", "model": "lightgbm", "base": "early", "modality": "early"}
    row |= {"zoom": 3, "against": "early", "against_zoom": 3, "low": low, "high": high}
    return row | {"delta_rmse": (low + high) / 2}


def test_variants_are_told_apart_by_their_intervals() -> None:
    rows = [_variant("redshift", -0.2, -0.1), _variant("weights", -0.1, 0.1), _variant("flagged", np.nan, np.nan)]
    said = _said(-0.1, -0.2, 0.0, variants=pd.DataFrame(rows))
    assert "Of 2 differences with an interval, 1 excludes zero" in said
    assert "redshift (redshift changed): LightGBM with early fusion at zoom 3 has an RMSE lower by 0.150 dex" in said
    assert "Cannot be told apart from the study: weights." in said
    assert "Cannot be compared, with too few validation galaxies in common: flagged." in said


def test_attention_is_answered_by_a_variant_where_the_grid_has_none() -> None:
    tried = pd.DataFrame([_variant("attention", -0.2, -0.1) | {"model": "vggnet12", "modality": "attention"}])
    said = _said(-0.1, -0.2, 0.0, variants=tried)
    assert "VGGNet12 at zoom 3, on the validation set: attention fusion beats early fusion" in said


def test_the_cascade_is_compared_with_chance(study: Path) -> None:
    table = read_table(study / "evaluation/cascade.csv")
    worse = table.assign(rmse=table["rmse"].where(table["order"] != "fine", 9.0))
    assert "is no better than the cheap one" in _said(-0.1, -0.2, 0.0, cascade=worse)
    better = table.assign(rmse=table["rmse"].where(table["order"] != "fine", 0.01), mean_gain=0.02)
    for low, high, said in ((0.01, 0.03, "beats objects drawn at random"), (-0.01, 0.03, "cannot be told apart")):
        assert said in _said(-0.1, -0.2, 0.0, cascade=better.assign(mean_gain_low=low, mean_gain_high=high))


def test_modalities_are_named_in_words() -> None:
    assert modality_phrase("stacked") == "stacked fusion"
    assert modality_phrase("spectra_rest_z") == "the spectra alone with the spectra at rest and the redshift"


def test_answers_of_the_miniature_say_what_its_tables_say(study: Path, page: Page) -> None:
    metrics = read_table(study / "evaluation/metrics.csv")
    best = metrics.loc[metrics["validation_rmse"].idxmin()]
    assert f"its RMSE is {best['rmse']:.3f} dex (95 % interval {best['rmse_low']:.3f}" in page.text
    assert f"With {best['n']:,} test galaxies" in page.text
    assert "From zoom 2 to 3 the RMSE changes by" in page.text
    assert "4 baselines were trained on" in page.text


# ---- parts ----


def test_tables_of_nothing_have_no_rows() -> None:
    empty = pd.DataFrame(columns=["stage", "kind", "path", "reason"])
    assert rejects_table(empty).rows == []
    gaps = pd.DataFrame({"zoom": [0], "blocks": [0], "mean_length": [np.nan], "max_length": pd.array([None], "Int64")})
    assert [cell.text for cell in gap_table(gaps).rows[0]] == ["0", "0", "", "", "12,207", "34.69", "4,620"]


def test_rejects_that_differ_in_a_number_are_one_reason() -> None:
    reasons = ["cutout not whole: 10 px from the edge", "cutout not whole: 3 px from the edge", "empty file"]
    rejects = pd.DataFrame({"stage": "links", "kind": "spectrum", "path": ["b", "a", "c"], "reason": reasons})
    rows = [[cell.text for cell in row] for row in rejects_table(rejects).rows]
    assert rows[0] == ["cutout not whole: 10 px from the edge (and the like)", "links", "spectrum", "2", "a"]
    assert rows[1][0] == "empty file"


def test_ledger_without_a_thesis_count_leaves_the_cell_empty() -> None:
    ledger = pd.DataFrame({"step": ["x"], "key": ["x"], "count": [5], "removed": [0], "thesis": [None], "note": [None]})
    assert [cell.text for cell in ledger_table(ledger).rows[0]] == ["x", "5", "0", "", ""]


def test_settings_that_all_runs_share_are_not_repeated(study: Path) -> None:
    names = ["learning_rate=0.1+max_depth=3+rounds=300", "learning_rate=0.1+max_depth=6+rounds=300"]
    runs = pd.DataFrame({"model": "lightgbm", "modality": "photo", "settings": names})
    assert list(short_names(runs).values()) == ["max_depth=3", "max_depth=6"]
    assert list(short_names(runs.head(1)).values()) == ["learning_rate=0.1"]
    table = runs_table(read_table(study / "evaluation/runs.csv"), [])
    assert all(row[3].text and row[3].link.endswith("/") for row in table.rows)


def test_captions_have_titles_and_figures_captions(tmp_path: Path, repo: Path) -> None:
    for path in (repo / "workflow" / "report").glob("fig_*.rst"):
        title, text = read_caption(path)
        assert title
        assert text
        assert not re.search(r"[*`<>|]", title + text), f"{path.name}: the HTML report shows plain text"
    (tmp_path / "fig_x.rst").write_text("No title here.")
    with pytest.raises(HissError, match="a caption starts with its title"):
        read_caption(tmp_path / "fig_x.rst")
    (tmp_path / "fig_y.svg").write_text("<svg/>")
    with pytest.raises(HissError, match="fig_y has no caption"):
        load_figures([tmp_path / "fig_y.svg"], [])


def test_a_large_figure_goes_in_as_png(tmp_path: Path) -> None:
    (tmp_path / "fig_x.rst").write_text("**Title.** Text.")
    (tmp_path / "fig_x.png").write_bytes(b"png")
    (tmp_path / "fig_x.svg").write_text("<svg/>")
    small = load_figures([tmp_path / "fig_x.svg", tmp_path / "fig_x.png"], [tmp_path / "fig_x.rst"])
    assert small["fig_x"].source.startswith("data:image/svg+xml;base64,")
    (tmp_path / "fig_x.svg").write_text("<svg/>" * 60_000)
    large = load_figures([tmp_path / "fig_x.svg"], [tmp_path / "fig_x.rst"])
    assert large["fig_x"].source.startswith("data:image/png;base64,")
