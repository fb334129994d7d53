"""What the report's page is made of: tables, cells, captions, figures."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_results import drawn_study
from PIL import Image

from hiss.errors import HissError
from hiss.files import read_table
from hiss.report.page import load_figures, read_caption
from hiss.report.runs_table import runs_table
from hiss.report.study_tables import short_names
from hiss.report.tables import gap_table, ledger_table, rejects_table


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


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
    ramp = np.linspace(0, 255, 300 * 200 * 3).reshape(200, 300, 3).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "fig_x.png")
    (tmp_path / "fig_x.svg").write_text("<svg/>")
    small = load_figures([tmp_path / "fig_x.svg", tmp_path / "fig_x.png"], [tmp_path / "fig_x.rst"])
    assert small["fig_x"].source == "data:image/svg+xml,%3Csvg/%3E"
    (tmp_path / "fig_x.svg").write_text("<svg/>" * 60_000)
    large = load_figures([tmp_path / "fig_x.svg"], [tmp_path / "fig_x.rst"])
    kind, _, encoded = large["fig_x"].source.partition(";base64,")
    assert kind == "data:image/png"
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as shown:
        assert shown.mode == "P", "the picture was to have a palette"
        assert np.abs(np.asarray(shown.convert("RGB"), float) - ramp).max() <= 4
