"""The report: its numbers are those of its tables, it needs nothing but itself, and it says when it cannot tell."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_results import drawn_sample, drawn_study

from hiss.errors import HissError
from hiss.files import read_table
from hiss.report.answers import answers
from hiss.report.page import load_figures, read_caption
from hiss.report.tables import gap_table, ledger_table, rejects_table, runs_table, short_names

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
        assert f"{row['rmse']:.3f} ({row['rmse_low']:.3f} to {row['rmse_high']:.3f})" in page.text
        assert f"{row['r2']:.3f} ({row['r2_low']:.3f} to {row['r2_high']:.3f})".replace("-", "−") in page.text
    compared = read_table(study / "evaluation/comparisons.csv")
    for row in compared[compared["kind"] != "zooms"].to_dict("records"):
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
    assert links == [f"../{path}/" for path in runs["path"]]
    assert all((study / "report" / link / "metrics.json").is_file() for link in links)


def test_links_to_figure_data_lead_to_files(study: Path, page: Page) -> None:
    links = [link for link in page.attributes("href") if link.startswith("figures/")]
    assert len(links) == len(list((study / "report" / "figures").glob("*.svg"))) == 15
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
    assert len(images) == 15
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


# ---- answers ----


def _tables(delta: float, low: float, high: float, n: int = 2000) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = []
    for modality, value in (("photo", 0.5), ("spectra", 0.4), ("early", 0.3)):
        row = {"model": "lightgbm", "modality": modality, "zoom": 0, "settings": "a=1", "n": n, "fit_s": 2.0}
        for name in ("r2", "rmse"):
            row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
        rows.append(row | {"validation_rmse": value, "r2_ceiling": 0.9})
    pair = {"kind": "modalities", "model": "lightgbm", "modality": "", "zoom": 0, "a": "early", "b": "spectra"}
    return pd.DataFrame(rows), pd.DataFrame([pair | {"n": n, "delta_rmse": delta, "low": low, "high": high}])


def _said(*given: object) -> str:
    found = answers(*_tables(*given))
    return " ".join(sentence for answer in found for sentence in answer.sentences).replace("\u00a0", " ")


def test_the_verdict_follows_the_interval() -> None:
    said = _said(-0.1, -0.15, -0.05)
    assert "yes. The RMSE of early fusion is lower than that of the spectra alone by 0.100 dex" in said
    assert "95 % interval −0.150 to −0.050" in said
    assert "no. The RMSE of early fusion is higher" in _said(0.1, 0.05, 0.15)
    assert "cannot tell." in _said(-0.1, -0.25, 0.05)
    assert "too few objects for an interval" in _said(-0.1, np.nan, np.nan)


def test_the_best_run_is_named_with_its_interval_and_the_thesis() -> None:
    said = _said(-0.1, -0.15, -0.05)
    assert "LightGBM on early fusion at zoom 0 (a=1) has the lowest RMSE on the validation set" in said
    assert "its RMSE is 0.300 dex (95 % interval 0.200 to 0.400)" in said
    assert "This is the thesis's finding too" in said


def test_a_small_sample_is_called_small() -> None:
    assert "That is a small sample" in _said(-0.1, -0.2, 0.0, 80)
    assert "That is a small sample" not in _said(-0.1, -0.2, 0.0, 2000)
    assert "about ±0.100 dex" in _said(-0.1, -0.2, 0.0, 80)


def test_answers_of_the_miniature_say_what_its_tables_say(study: Path, page: Page) -> None:
    metrics = read_table(study / "evaluation/metrics.csv")
    best = metrics.loc[metrics["validation_rmse"].idxmin()]
    assert f"its RMSE is {best['rmse']:.3f} dex (95 % interval {best['rmse_low']:.3f}" in page.text
    assert f"With {best['n']:,} test galaxies" in page.text
    assert "From zoom 2 to 3 the RMSE changes by" in page.text


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
