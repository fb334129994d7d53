"""The report of a miniature results folder, with a gallery of a few objects and the logs of its runs."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.image import imsave
from miniature_labels import make_noise

from hiss.files import read_table, write_json
from hiss.provenance import provenance
from hiss.report.cards import Group, load_gallery
from hiss.report.compose import compose
from hiss.report.given import SampleTables, StudyTables
from hiss.report.page import load_figures, write_page

REPO = Path(__file__).resolve().parents[1]
TABLES = ("runs", "selection", "metrics", "comparisons", "intervals", "variants", "cascade")


def report(folder: Path, title: str = "A miniature <study> & its report", gallery: bool = True) -> Path:
    """Write the report of a miniature whose figures are drawn."""
    sample = read_sample(folder)
    study = read_study(folder) if (folder / "evaluation").is_dir() else None
    figures = load_figures(
        sorted((folder / "report" / "figures").iterdir()), sorted((REPO / "workflow" / "report").glob("fig_*.rst"))
    )
    settings = {"results": "results/miniature", "experiments": {"zooms": [0, 1, 2, 3]}}
    record = provenance({"ledger": folder / "sample" / "flag0" / "ledger.csv"}, settings, [Path(__file__)])
    groups = make_gallery(folder) if study and gallery else []
    page = compose(title, "config/miniature.yaml", "simulated", sample, study, figures, record, groups)
    write_page(folder / "report" / "report.html", page)
    return folder / "report" / "report.html"


def read_sample(folder: Path) -> SampleTables:
    """Return the tables of a sky and its sample."""
    return SampleTables(
        read_table(folder / "sky" / "manifest.parquet"),
        read_table(folder / "cube" / "rejects.parquet"),
        read_table(folder / "sample" / "flag0" / "ledger.csv"),
        read_table(folder / "sample" / "gap_table.csv"),
    )


def read_study(folder: Path) -> StudyTables:
    """Return the tables of a study's evaluation, and leave a log of each run beside them."""
    paths = {name: folder / "evaluation" / f"{name}.csv" for name in TABLES}
    tables = {name: read_table(path) for name, path in paths.items() if path.is_file()}
    for path in tables["runs"]["path"]:
        log = folder / "logs" / f"{path}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("trained\n")
    tests = [read_table(path) for path in sorted((folder / "evaluation").glob("test_*.parquet"))]
    objects = read_table(folder / "sample" / "objects.parquet")
    return StudyTables(
        **tables,
        labels=make_noise(objects),
        split=read_table(folder / "sample" / "flag0" / "split.parquet"),
        tests=pd.concat(tests, ignore_index=True),
        objects=objects,
    )


def make_gallery(folder: Path, n: int = 4) -> list[Group]:
    """Write a gallery.json of the first test objects, two groups of them, and return it as the page shows it."""
    tests = read_table(sorted((folder / "evaluation").glob("test_*.parquet"))[0])
    objects = read_table(folder / "sample" / "objects.parquet").set_index("row")
    one = tests[tests["zoom"] == tests["zoom"].max()].drop_duplicates("row").head(n)
    place = folder / "report" / "gallery"
    place.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, row in enumerate(one.to_dict("records")):
        known = objects.loc[row["row"]]
        name = "-".join(str(known[key]) for key in ("plate", "mjd", "fiber"))
        imsave(place / f"{name}.png", [[number, 1], [2, 3]], vmin=0, vmax=5)
        entry: dict[str, Any] = {"target_id": int(row["target_id"]), "row": int(row["row"]), "name": name}
        entry |= {"title": f"Object {name}", "text": f"Number {number} <of> them.", "image": f"{name}.png"}
        entry |= {key: float(known[key]) for key in ("ra", "dec", "z")}
        entry |= {"truth": row["truth"], "prediction": row["prediction"], "low": None, "high": None}
        entries.append(entry | {"alt": f"Five bands and the spectrum of {name}", "link": ""})
    groups = [
        {"key": "examples", "heading": "Examples", "sentence": "The first of the test set.", "objects": entries},
        {"key": "worst", "heading": "Worst predicted", "sentence": "One of them again.", "objects": entries[:1]},
        {"key": "flagged", "heading": "Several objects", "sentence": "None here.", "objects": []},
    ]
    write_json(place / "gallery.json", {"groups": groups})
    return load_gallery(place / "gallery.json")
