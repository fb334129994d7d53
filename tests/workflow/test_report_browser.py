"""The report in a real browser, used as a person would: with a mouse, with keys, on paper and on a small screen."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import Browser, chromium
from miniature_report import make_gallery, read_sample, read_study
from miniature_results import drawn_sample, drawn_single, drawn_study

from hiss.files import read_table
from hiss.plots.results import pareto_front
from hiss.provenance import provenance
from hiss.report.compose import compose
from hiss.report.page import load_figures, write_page

READY = (
    "!!document.querySelector('.dt-container') && document.querySelectorAll('.plot:not([hidden]) .point').length > 0"
)
ROWS = "Array.from(document.querySelectorAll('#runs-table tbody tr'), (r) => Array.from(r.cells, (c) => c.textContent))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


def _open(browser: Browser, html: Path, width: int = 1280, ready: str = READY) -> None:
    browser.said.clear()
    browser.requests.clear()
    browser.open(html, width)
    browser.wait(ready)


@pytest.fixture
def page(browser: Browser, study: Path) -> Browser:
    _open(browser, study / "report" / "report.html")
    return browser


def _quiet(browser: Browser, html: Path) -> None:
    assert browser.said == []
    assert browser.requests == [html.as_uri()]


def _column(name: str) -> int:
    return ["model", "modality", "zoom", "settings", "R²", "MAE", "RMSE"].index(name)


# ---- the page ----


def test_the_study_loads_without_an_error_or_a_request(page: Browser, study: Path) -> None:
    html = study / "report" / "report.html"
    widths = page.run("Array.from(document.images, (i) => i.naturalWidth)")
    assert len(widths) > 20
    assert min(widths) > 1
    _quiet(page, html)
    for width in (1280, 400):
        page.resize(width)
        assert page.wait(f"document.documentElement.scrollWidth <= {width}"), "the page scrolls sideways"


def test_its_policy_keeps_it_from_loading_anything(browser: Browser, study: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    stranger = "<script>document.title = 'ran'</script><img src='file:///etc/hostname' alt=''></main>"
    other.write_text((study / "report" / "report.html").read_text().replace("</main>", stranger, 1))
    _open(browser, other)
    assert browser.run("document.title") != "ran"
    assert sum("Content Security Policy" in said for said in browser.said) >= 2


@pytest.mark.parametrize("make", [drawn_sample, drawn_single], ids=["no study", "one model"])
def test_a_smaller_study_loads(browser: Browser, make, tmp_path_factory: pytest.TempPathFactory) -> None:
    html = make(tmp_path_factory.getbasetemp()) / "report" / "report.html"
    _open(browser, html, ready="document.readyState === 'complete'")
    if make is drawn_single:
        browser.wait(READY)
    assert min(browser.run("Array.from(document.images, (i) => i.naturalWidth)")) > 1
    _quiet(browser, html)


def test_on_paper_everything_is_open_and_nothing_is_cut(page: Browser, tmp_path: Path) -> None:
    closed = "document.querySelectorAll('details:not([open])').length"
    before = page.run(closed)
    assert before > 0
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    assert page.run(closed) == 0
    assert page.run(f"{ROWS}.length") == 120, "all runs are on paper, not a page of them"
    page.run("window.dispatchEvent(new Event('afterprint'))")
    assert page.run(closed) == before
    assert page.run(f"{ROWS}.length") == 25
    page.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


# ---- the table of runs ----


def test_the_table_sorts_by_keys(page: Browser) -> None:
    head = f"document.querySelectorAll('#runs-table thead th')[{_column('RMSE')}]"
    read = f"{ROWS}.map((cells) => Number(cells[{_column('RMSE')}].replace('−', '-')))"
    page.run(f"{head}.querySelector('[role=button]').focus()")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter")
    assert page.wait(f"{head}.getAttribute('aria-sort')") == "ascending"
    ascending = page.run(read)
    assert ascending == sorted(ascending)
    page.press("Enter")
    page.wait(f"{head}.getAttribute('aria-sort') === 'descending'")
    descending = page.run(read)
    assert descending == sorted(descending, reverse=True)
    assert descending[0] > ascending[-1]
    assert page.run("document.querySelectorAll('#runs-table th[aria-sort]').length") == 1
    name = page.run(f"{head}.querySelector('[role=button]').getAttribute('aria-label')")
    assert name.startswith("RMSE [dex]")


def test_the_table_is_searched_and_filtered(page: Browser, study: Path) -> None:
    page.run("document.querySelector('.dt-search input').focus()")
    page.type("lightgbm early")
    info = "document.querySelector('.dt-info').textContent"
    page.wait(f"{info}.includes('24 runs')")
    assert all("LightGBM" in row and "early fusion" in row for row in page.run(ROWS))
    choose = (
        (
            "(name, value) => {{ const box = Array.from(document.querySelectorAll('#runs-filters label'))"
            ".find((l) => l.textContent.trim().startsWith(name)).querySelector('select');"
            "box.value = value; box.dispatchEvent(new Event('change', {{bubbles: true}})); }}"
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )
    page.run(f"({choose})('zoom', '3')")
    page.wait(f"{info}.includes('12 runs')")
    page.run(f"({choose})('chosen', 'selected')")
    page.wait(f"{info}.includes('of 1 run')")
    assert len(page.run(ROWS)) == 1
    selected = read_table(study / "evaluation/selection.csv").set_index(["model", "modality", "zoom"])["path"]
    link = page.run("document.querySelector('#runs-table tbody td a').getAttribute('href')")
    assert link == f"../{selected['lightgbm', 'early', 3]}/"
    page.run("document.querySelector('#runs-filters button').click()")
    page.wait(f"{info}.includes('of 120 runs')")


def test_the_table_is_read_aloud(page: Browser) -> None:
    assert page.run("document.querySelector('#runs-table').caption.textContent").startswith("All 120 runs")
    assert page.run("document.querySelector('.dt-info').getAttribute('role')") == "status"
    assert page.run(
        "Array.from(document.querySelectorAll('#runs select, #runs input, #pareto select, #pareto input'))"
        ".every((box) => box.labels.length === 1)"
    )


# ---- the plots ----


def _point_at(page: Browser, plot: str, place: int) -> str:
    """Point at one of a plot's points and return what is said of it."""
    page.run(
        f"document.querySelector('#plot-{plot} .plot-area').scrollIntoView({{block: 'center', behavior: 'instant'}})"
    )
    x, y = page.run(
        f"(() => {{ const b = document.querySelectorAll('#plot-{plot} .point')[{place}].getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
    )
    page.point_at(x, y)
    return page.wait(f"document.querySelector('#plot-{plot} .hoverlayer').textContent")


def _follow(page: Browser, plot: str, place: int) -> str:
    """Click at a point and return the address that was opened."""
    page.run("window.open = (link) => { window.opened = link; }")
    _point_at(page, plot, place)
    x, y = page.run(
        f"(() => {{ const b = document.querySelectorAll('#plot-{plot} .point')[{place}].getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
    )
    page.click(x, y)
    return page.wait("window.opened || location.hash")


def test_a_run_says_what_it_is_and_leads_to_its_folder(page: Browser, study: Path) -> None:
    said = _point_at(page, "pareto", 0)
    assert said.startswith("Decision tree, photo, zoom 2max_depth=1validation RMSE 1.085 dex, R² −0.418")
    link = _follow(page, "pareto", 0)
    assert (study / "report" / link / "metrics.json").is_file()
    assert not page.run("document.querySelectorAll('[aria-label^=Share]').length"), "nothing is sent anywhere"


def test_the_front_is_that_of_the_figure_and_follows_what_is_shown(page: Browser, study: Path) -> None:
    runs = read_table(study / "evaluation/runs.csv")
    trained = runs[~runs["modality"].isin(["late", "stacked"])]
    status = "document.querySelector('#plot-pareto [role=status]').textContent"
    assert page.run(status) == f"{len(trained)} runs shown, {len(pareto_front(trained))} of them on the front."
    drawn = page.run("document.querySelector('#plot-pareto .plot-area').data[0].x")
    assert drawn == pytest.approx(list(pareto_front(trained)["fit_s"]), rel=1e-4)
    page.run("document.querySelector('#plot-pareto input[value=lightgbm]').click()")
    trees = trained[trained["model"] != "lightgbm"]
    page.wait(f"{status} === '{len(trees)} runs shown, {len(pareto_front(trees))} of them on the front.'")
    page.run(
        "(() => { const box = document.querySelector('#plot-pareto select[name=panel]'); box.value = '1';"
        "box.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    alone = read_table(study / "evaluation/metrics.csv")
    alone = alone[(alone["model"] != "lightgbm") & (alone["fit_s"] > 0)]
    page.wait(f"{status}.startsWith('{len(alone)} runs shown')")


def test_a_galaxy_says_what_it_is_and_leads_to_its_picture(page: Browser, study: Path) -> None:
    data = json.loads(page.run("document.getElementById('truth-data').textContent"))
    place = next(i for i, link in enumerate(data["link"]) if link)
    said = _point_at(page, "truth", place)
    assert said.startswith(f"{data['name'][place]}redshift {data['z'][place]:.4f}")
    assert f"log SFR {data['truth'][place]:.2f}".replace("-", "−") in said
    assert _follow(page, "truth", place) == data["link"][place]
    assert page.run("document.querySelector(':target').className") == "card"


def test_without_the_script_the_still_figure_is_there(browser: Browser, study: Path, tmp_path: Path) -> None:
    html = (study / "report" / "report.html").read_text()
    bare = tmp_path / "bare.html"
    bare.write_text(html[: html.index('<script type="application/json"')] + "</body></html>")
    _open(browser, bare, ready="document.readyState === 'complete'")
    assert browser.run("document.getElementById('fig_pareto').getBoundingClientRect().height") > 100
    assert browser.run("document.getElementById('plot-pareto').hidden")
    assert browser.run("document.getElementById('runs-filters').hidden")
    assert browser.run(f"{ROWS}.length") == 120


# ---- the whole grid ----


def test_the_page_of_the_full_grid_is_small_and_soon_there(browser: Browser, study: Path, tmp_path: Path) -> None:
    html = tmp_path / "report" / "report.html"
    _write_full(study, html, n_runs=516, n_objects=2200)
    assert html.stat().st_size < 12e6, "with 2 MB of pictures in the gallery, a CNN and side studies it is below 15 MB"
    began = time.monotonic()
    _open(browser, html)
    assert browser.run("document.querySelectorAll('#plot-truth .point').length") == 2200
    assert browser.run("document.querySelector('.dt-info').textContent") == "1 to 25 of 516 runs"
    assert time.monotonic() - began < 20, "two seconds on a machine with nothing else to do"
    _quiet(browser, html)


def _write_full(study: Path, html: Path, n_runs: int, n_objects: int) -> None:
    """Write a page of as many runs and test objects as the thesis's study has, out of a small one."""
    tables = read_study(study)
    runs = pd.concat([tables.runs] * (n_runs // len(tables.runs) + 1), ignore_index=True).head(n_runs)
    runs["path"] = [f"{path}+copy={number}" for number, path in enumerate(runs["path"])]
    rng = np.random.default_rng(1)
    best = tables.tests.head(1)
    tests = pd.concat([best] * n_objects, ignore_index=True).assign(row=range(n_objects), target_id=range(n_objects))
    tests = tests.assign(truth=rng.normal(size=n_objects), prediction=rng.normal(size=n_objects))
    objects = pd.concat([tables.objects.head(1)] * n_objects, ignore_index=True)
    metrics = tables.metrics
    same = (metrics["model"] == best["model"].iloc[0]) & (metrics["modality"] == best["modality"].iloc[0])
    same &= metrics["zoom"] == best["zoom"].iloc[0]
    metrics = metrics.assign(validation_rmse=metrics["validation_rmse"].where(~same, 0.0))
    known = dict(vars(tables)) | {"runs": runs, "tests": tests, "metrics": metrics}
    known["objects"] = objects.assign(row=range(n_objects), target_id=range(n_objects))
    captions = sorted((Path(__file__).parents[2] / "workflow" / "report").glob("fig_*.rst"))
    figures = load_figures(sorted((study / "report" / "figures").iterdir()), captions)
    record = provenance({}, {}, [])
    page = compose(
        "Full", "c", "local", read_sample(study), type(tables)(**known), figures, record, make_gallery(study)
    )
    write_page(html, page)
