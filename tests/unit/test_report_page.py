"""The report: its numbers are those of its tables, its links lead somewhere, and it needs nothing but itself."""

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from miniature_report import read_sample, read_study
from miniature_results import drawn_sample, drawn_single, drawn_study
from page_reader import Page, read_page

from hiss.evaluation.meaning import COVERAGE_MEANING
from hiss.files import read_table
from hiss.provenance import provenance
from hiss.report.compose import compose
from hiss.report.page import FigureOnPage
from hiss.report.phrases import OF_MODELS, describe, fixed
from hiss.report.study_tables import cost_table


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def page(study: Path) -> Page:
    return read_page(study / "report" / "report.html")


def test_the_numbers_of_the_tables_are_in_the_report(study: Path, page: Page) -> None:
    for row in read_table(study / "evaluation/metrics.csv").to_dict("records"):
        if row["model"] in ("decision_tree", "lightgbm"):
            assert f"{fixed(row['rmse'])} ({fixed(row['rmse_low'])} to {fixed(row['rmse_high'])})" in page.text
        assert f"{fixed(row['r2'])} ({fixed(row['r2_low'])} to {fixed(row['r2_high'])}" in page.text
    compared = read_table(study / "evaluation/comparisons.csv")
    kinds = ["modalities", "models", "zooms"]
    assert {*kinds, "baselines"} <= set(compared["kind"])
    for row in compared[compared["kind"].isin(kinds)].to_dict("records"):
        assert f"{row['low']:+.3f} to {row['high']:+.3f}".replace("-", "−") in page.text
    for row in read_table(study / "sample/flag0/ledger.csv").to_dict("records"):
        assert f"{row['count']:,}" in page.text
        assert f"{row['thesis']:,}" in page.text
    for value in ("12,207", "34.69", "4,620", "5.46"):
        assert value in page.text
    assert "20 frames and 250 spectra" in page.text
    assert "4 inputs were set aside" in page.text


def test_every_run_is_listed_with_a_link_that_leads_to_it(study: Path, page: Page) -> None:
    links = [link for link in page.attributes("href") if link.startswith(("../runs/", "../logs/"))]
    paths = read_table(study / "evaluation/runs.csv")["path"]
    of_runs = [[f"../{path}/", f"../logs/{path}.log", f"../{path}/metrics.json"] for path in paths]
    assert links[-3 * len(paths) :] == [link for three in of_runs for link in three]
    assert all((study / "report" / unquote(link)).exists() for link in links)


def test_numbers_and_sentences_lead_to_their_run(study: Path, page: Page) -> None:
    html = (study / "report" / "report.html").read_text()
    metrics = read_table(study / "evaluation/metrics.csv")
    selected = read_table(study / "evaluation/selection.csv").set_index(["model", "modality", "zoom"])["path"]
    for row in metrics[metrics["model"] == "lightgbm"].to_dict("records"):
        fused = {"late": "mean", "stacked": "ridge"}
        folder = f"runs/sfr/flag0/lightgbm/{row['modality']}/zoom{row['zoom']}"
        path = (
            f"{folder}/{fused[row['modality']]}"
            if row["modality"] in fused
            else selected["lightgbm", row["modality"], row["zoom"]]
        )
        shown = f"{fixed(row['rmse'])} ({fixed(row['rmse_low'])} to {fixed(row['rmse_high'])})"
        assert f'<a href="../{path}/">{shown}</a>' in html
    best = metrics.loc[metrics["validation_rmse"].idxmin()]
    path = selected[best["model"], best["modality"], best["zoom"]]
    assert f'<dd>{OF_MODELS.capitalize()}, <a href="../{path}/">{describe(dict(best))}</a> (' in html


def test_links_to_figure_data_lead_to_files(study: Path, page: Page) -> None:
    links = [link for link in page.attributes("href") if link.startswith("figures/")]
    assert len(links) == len(list((study / "report" / "figures").glob("*.svg"))) > 20
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


def test_the_page_forbids_itself_to_load_and_runs_its_own_scripts_alone(page: Page) -> None:
    (policy,) = [attrs["content"] for attrs in page.of("meta") if attrs.get("http-equiv")]
    rules = {name: rest.split() for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}
    assert rules["default-src"] == ["'none'"]
    assert rules["img-src"] == ["data:", "blob:"]
    assert "connect-src" not in rules
    kinds = [attrs.get("type") for attrs in page.of("script")]
    assert kinds == ["application/json"] * 2 + [None] * 3 + ["module"] * 2
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.scripts[2:]]
    assert rules["script-src"] == [f"'sha256-{digest}'" for digest in digests]


def test_our_own_scripts_and_styles_load_nothing(repo: Path) -> None:
    own = [path for path in (repo / "workflow/scripts/hiss/report").iterdir() if path.suffix in (".js", ".css")]
    assert len(own) == 4
    for path in own:
        assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|innerHTML|eval\(", path.read_text()), path


def test_libraries_are_carried_with_their_licences(study: Path, page: Page, tmp_path_factory) -> None:
    html = (study / "report" / "report.html").read_text()
    assert "Licensed under the MIT license" in html
    assert "DataTables 2" in html
    assert "SpryMedia Ltd - datatables.net/license" in html
    told = re.search(r"carries plotly.js (\S+) and DataTables (\S+) .* MIT licence", page.text)
    assert told
    assert f"* plotly.js v{told[1]}\n" in html
    assert f"(*! DataTables {told[2]}\n" in html
    alone = drawn_sample(tmp_path_factory.getbasetemp()) / "report" / "report.html"
    assert alone.stat().st_size < 2_000_000, "a page without runs carries no library"


def test_markup_in_the_data_is_shown_not_obeyed(study: Path, page: Page) -> None:
    assert "A miniature <study> & its report" in page.text
    assert "truncated <bz2> & broken" in page.text
    assert "study" not in {tag for tag, _ in page.tags}


def test_tables_and_images_can_be_read_aloud(page: Page) -> None:
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    assert heads
    assert all(attrs.get("scope") in ("row", "col") for attrs in heads)
    assert all(len(attrs["alt"] or "") > 20 for attrs in page.of("img"))
    assert page.attributes("lang") == ["en"]
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert [tag for tag, _ in page.tags].count("table") == [tag for tag, _ in page.tags].count("caption")
    controls = [tag for tag, _ in page.tags if tag in ("input", "select")]
    assert len(controls) == len(page.of("label")) > 10
    assert len(page.of("fieldset")) == len(page.of("legend")) == 3
    landmarks = [tag for tag, _ in page.tags if tag in ("header", "nav", "main")]
    assert landmarks == ["header", "nav", "main"]
    assert all(attrs.get("aria-label") for attrs in page.of("nav") + page.of("form"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))


def test_a_sky_without_labels_has_a_report_of_its_sample(tmp_path_factory: pytest.TempPathFactory) -> None:
    page = read_page(drawn_sample(tmp_path_factory.getbasetemp()) / "report" / "report.html")
    assert "None has a usable star formation rate" in page.text
    assert "2 files for this reason: no frame covers it." in page.text
    assert "One object of the sample" in page.text
    assert "All runs" not in page.text
    assert "4,851,200" in page.text


# ---- sections ----


def _headings(page: Page) -> list[str]:
    return [attrs["aria-labelledby"].removesuffix("-heading") for tag, attrs in page.tags if tag == "section"]


BESIDE = "fig_(structure|outliers|cases|scenes|side)"  # side studies have their own tables, and so their own section
ORDER = [
    *("answers", "pareto", "claims", "sample", "neighbours", "baselines", "decision_tree", "lightgbm", "vggnet12"),
    *("comparison", "fusions", "intervals", "diagnostics", "importance", "sample-size", "cascade", "costs", "variants"),
    *("structure", "gallery", "runs", "exports", "provenance"),
]


def test_every_part_of_the_study_has_its_section(page: Page) -> None:
    found = _headings(page)
    assert found == [name for name in ORDER if name in found]
    assert set(ORDER) - set(found) <= {"vggnet12", "neighbours", "structure"}, "what this study has not"
    contents = [link[1:] for link in page.attributes("href") if link.startswith("#")]
    assert contents[2 : 2 + len(_headings(page))] == _headings(page), "after two skip links, the list of contents"
    for sentence in COVERAGE_MEANING:
        assert " ".join(sentence.split()) in page.text


def test_every_figure_that_has_a_caption_has_its_place(study: Path, repo: Path) -> None:
    names = [path.stem for path in (repo / "workflow" / "report").glob("fig_*.rst")]
    of_models = {"fig_metrics", "fig_runtime"}
    names = [f"{name}_lightgbm" if name in of_models else name for name in names if not re.match(BESIDE, name)]
    assert len(names) > 25
    figures = {name: FigureOnPage(name, name, "", "data:,", f"figures/{name}.csv") for name in names}
    tables = read_study(study)
    both = tables.metrics.assign(model=tables.metrics["model"].replace("decision_tree", "vggnet12"))
    three = replace(tables, metrics=pd.concat([tables.metrics, both], ignore_index=True))
    made = compose("t", "c", "simulated", read_sample(study), three, figures, provenance({}, {}, []))
    placed = {figure.name: section.identifier for section in made.sections for figure in section.figures}
    assert [name for name in names if placed[name] == "other"] == []
    assert placed["fig_neighbours"] == "neighbours"


def test_what_is_switched_off_is_not_in_the_report(tmp_path_factory: pytest.TempPathFactory) -> None:
    page = read_page(drawn_single(tmp_path_factory.getbasetemp()) / "report" / "report.html")
    assert _headings(page) == [
        *("answers", "pareto", "claims", "sample", "baselines", "decision_tree", "comparison", "fusions", "costs"),
        *("gallery", "runs", "exports", "provenance"),
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
