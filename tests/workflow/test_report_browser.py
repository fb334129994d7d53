"""The report in a real browser: it loads without an error or a request, and its table sorts and filters."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from miniature_results import drawn_sample, drawn_study

_QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]

# Run in a copy of the page, after its own script: use the table as a person would and write down what is seen.
_PROBE = """
<script>
(function () {
  const table = document.getElementById("runs-table");
  const seen = {figures: Array.from(document.images).map((i) => i.naturalWidth), errors: window.seenErrors};
  if (table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    const column = heads.findIndex((h) => h.textContent.startsWith("RMSE"));
    const read = () => Array.from(table.tBodies[0].rows).map((r) => Number(r.cells[column].dataset.value));
    heads[column].querySelector("button").click();
    seen.ascending = read(); seen.sorted = heads[column].getAttribute("aria-sort");
    heads[column].querySelector("button").click();
    seen.descending = read(); seen.resorted = heads[column].getAttribute("aria-sort");
    const filter = document.getElementById("runs-filter");
    filter.value = "LightGBM early"; filter.dispatchEvent(new Event("input"));
    seen.shown = Array.from(table.tBodies[0].rows).filter((r) => !r.hidden).map((r) => r.textContent);
    seen.count = document.getElementById("runs-count").textContent;
    const folded = Array.from(document.querySelectorAll("details"));
    seen.folded = folded.filter((d) => !d.open).length;
    window.dispatchEvent(new Event("beforeprint"));
    seen.printed = folded.filter((d) => d.open).length;
    seen.wide = document.documentElement.scrollWidth > window.innerWidth;
  }
  window.addEventListener("load", function () {
    seen.figures = Array.from(document.images).map((i) => i.naturalWidth);
    seen.requests = performance.getEntriesByType("resource").map((e) => e.name)
      .filter((name) => !name.startsWith("data:"));
    document.title = "probe:" + JSON.stringify(seen);
  });
}());
</script>
"""
_LISTEN = (
    "<script>window.seenErrors = []; window.addEventListener('error', (e) => seenErrors.push(e.message));</script>"
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("there is no chromium to look at the report with; `make test` installs it")
    return found


def _look(browser: str, html: Path, tmp_path: Path) -> tuple[dict[str, object], str]:
    """Return what the probe saw, and what the browser's console said."""
    page = html.read_text().replace("<head>", "<head>" + _LISTEN, 1).replace("</body>", _PROBE + "</body>")
    probe = tmp_path / "probe.html"
    probe.write_text(page)
    command = [browser, *_QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0"]
    command += ["--window-size=1280,1000", "--dump-dom", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>probe:(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr[-2000:]
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")), console


def test_the_study_loads_sorts_and_filters(
    browser: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    study = drawn_study(tmp_path_factory.getbasetemp())
    seen, console = _look(browser, study / "report" / "report.html", tmp_path)
    assert console == ""
    assert seen["errors"] == []
    assert seen["requests"] == []
    assert len(seen["figures"]) == 20
    assert min(seen["figures"]) > 100
    assert seen["ascending"] == sorted(seen["ascending"])
    assert seen["descending"] == seen["ascending"][::-1]
    assert (seen["sorted"], seen["resorted"]) == ("ascending", "descending")
    assert seen["printed"] == seen["folded"] > 0
    assert seen["count"] == "24 runs" == f"{len(seen['shown'])} runs"
    assert all("LightGBM" in row and "early" in row for row in seen["shown"])
    assert not seen["wide"], "the page scrolls sideways"


def test_the_sample_alone_loads(browser: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = drawn_sample(tmp_path_factory.getbasetemp())
    seen, console = _look(browser, folder / "report" / "report.html", tmp_path)
    assert console == ""
    assert seen["errors"] == seen["requests"] == []
    assert len(seen["figures"]) == 6
    assert min(seen["figures"]) > 100
