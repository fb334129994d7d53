"""What the page lets a reader explore: points, links, cards and the libraries it carries."""

import json
from pathlib import Path

import pandas as pd
import pytest
from miniature_report import make_gallery, read_study
from miniature_results import drawn_study

from hiss.errors import HissError
from hiss.files import read_json, write_json
from hiss.plots.style import MODEL_MARKER, modality_colour
from hiss.report.cards import load_gallery, object_links
from hiss.report.compose import _one_by_one
from hiss.report.given import StudyTables
from hiss.report.interactive import _GLYPH, _SYMBOL, Plot, pareto_plot, truth_plot
from hiss.report.libraries import as_global, safe_script, table_script
from hiss.report.links import folder_link, linked, log_link, metrics_link, phrase_links, with_paths
from hiss.report.runs_table import filters_of, runs_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def study(folder: Path) -> StudyTables:
    return read_study(folder)


@pytest.fixture(scope="module")
def metrics(study: StudyTables) -> pd.DataFrame:
    return with_paths(study.metrics, study.runs, study.selection)


# ---- points ----


def test_every_training_run_is_a_point_with_its_scores_costs_and_folder(
    study: StudyTables, metrics: pd.DataFrame
) -> None:
    plot = pareto_plot(study.runs, metrics)
    assert plot is not None
    trained = study.runs[~study.runs["modality"].isin(["late", "stacked"])]
    panel, alone = plot.data["panels"]
    assert panel["link"] == [f"../{path}/" for path in trained["path"]]
    assert panel["rmse"] == pytest.approx(list(trained["validation_rmse"]), rel=1e-4)
    assert panel["fit_s"] == pytest.approx(list(trained["fit_s"]), rel=1e-4)
    assert panel["predict_us"] == pytest.approx(list(trained["predict_per_object_us"]), rel=1e-4)
    assert set(alone["modality"]) > {"late", "stacked"}
    per_object = 1e6 * metrics["predict_s"] / study.runs["n_validation"].iloc[0]
    assert alone["predict_us"] == pytest.approx(list(per_object), rel=1e-4)
    assert {len(values) for values in panel.values()} == {len(trained)}


def test_colours_and_symbols_are_those_of_the_figures(study: StudyTables, metrics: pd.DataFrame) -> None:
    plot = pareto_plot(study.runs, metrics)
    assert plot is not None
    for name, shown in plot.data["modalities"].items():
        assert shown["colour"] == modality_colour(name)
    assert set(MODEL_MARKER.values()) == set(_SYMBOL) == set(_GLYPH), "every model's marker has a symbol of plotly's"
    assert len(set(_SYMBOL.values())) == len(_SYMBOL)
    sizes = [plot.data["zooms"][zoom]["size"] for zoom in sorted(plot.data["zooms"])]
    assert sizes == sorted(sizes, reverse=True)
    many = {control.name: [choice.value for choice in control.choices] for control in plot.controls if control.many}
    assert many == {f"{key[:-1]}" if key != "modalities" else "modality": list(plot.data[key])
                    for key in ("models", "modalities", "zooms")}  # fmt: skip


def test_without_a_cost_there_is_no_plot(study: StudyTables, metrics: pd.DataFrame) -> None:
    assert pareto_plot(study.runs.assign(fit_s=0.0), metrics) is None


def test_the_best_run_s_test_objects_are_points(study: StudyTables, metrics: pd.DataFrame) -> None:
    plot = truth_plot(metrics, study.tests, study.objects, {})
    assert plot is not None
    best = metrics.loc[metrics["validation_rmse"].idxmin()]
    keys = ["model", "modality", "zoom"]
    own = study.tests[(study.tests[keys] == best[keys].to_numpy()).all(axis=1)].sort_values("target_id")
    known = study.objects.set_index("row").loc[own["row"]]
    assert plot.data["prediction"] == pytest.approx(list(own["prediction"]), rel=1e-4)
    assert plot.data["truth"] == pytest.approx(list(known["avg"]), rel=1e-4)
    assert plot.data["name"][0] == "{plate}-{mjd}-{fiber}".format(**known.iloc[0])
    assert plot.data["low"] == pytest.approx(list(own["low"]), rel=1e-4)
    assert plot.data["colour"] == modality_colour(best["modality"])
    assert "click" not in plot.caption


def test_placeholders_and_missing_intervals_are_no_numbers(study: StudyTables, metrics: pd.DataFrame) -> None:
    objects = study.objects.assign(p16=-99.0)
    plot = truth_plot(metrics, study.tests.drop(columns=["low", "high"]), objects, {})
    assert plot is not None
    assert set(plot.data["p16"]) == set(plot.data["low"]) == {None}
    assert json.loads(plot.json)["low"][0] is None


def test_only_baselines_are_no_best_run(study: StudyTables, metrics: pd.DataFrame) -> None:
    assert truth_plot(metrics[metrics["model"] == "mean"], study.tests, study.objects) is None


def test_an_object_leads_to_its_picture_or_to_the_survey_of_a_real_sky(folder: Path, study: StudyTables) -> None:
    groups = make_gallery(folder)
    shown = {card.target_id for group in groups for card in group.cards}
    simulated, real = (_one_by_one(study, groups, sky) for sky in ("simulated", "archive"))
    assert simulated is not None
    assert real is not None
    assert {link for link in simulated.data["link"] if link} <= {f"#gallery-{target}" for target in shown}
    assert "shown in the gallery." in simulated.caption
    elsewhere = [link for link in real.data["link"] if not link.startswith("#")]
    assert elsewhere
    assert all(link.startswith("https://skyserver.sdss.org/") for link in elsewhere)
    assert "in the gallery or at the survey." in real.caption


def test_data_cannot_end_their_script_element() -> None:
    plot = Plot("x", "t", "c", {"name": "</script><b>"})
    assert "<" not in plot.json
    assert json.loads(plot.json) == {"name": "</script><b>"}


# ---- links ----


def test_addresses_are_relative_and_quoted() -> None:
    path = "runs/sfr/flag0/lightgbm/early/zoom0/learning_rate=0.1+max_depth=9"
    assert folder_link(path) == f"../{path}/"
    assert log_link(path) == f"../logs/{path}.log"
    assert metrics_link(path) == f"../{path}/metrics.json"
    assert folder_link("runs/a b#1") == "../runs/a%20b%231/"


def test_fusions_and_baselines_have_a_path_and_what_is_unknown_none(metrics: pd.DataFrame, study: StudyTables) -> None:
    assert (metrics["path"] != "").all()
    assert set(metrics.loc[metrics["modality"] == "late", "path"].str.split("/").str[-1]) == {"mean"}
    fewer = with_paths(study.metrics, study.runs[study.runs["modality"] != "late"], study.selection)
    assert (fewer.loc[fewer["modality"] == "late", "path"] == "").all()
    assert "LightGBM with late fusion at zoom 3" not in phrase_links(fewer)


def test_a_phrase_is_linked_as_a_whole() -> None:
    links = {"LightGBM at zoom 1": "one", "LightGBM at zoom 1 and 2": "two"}
    pieces = linked("So LightGBM at zoom 1 and 2 beats LightGBM at zoom 1, not LightGBM at zoom 10.", links)
    assert [piece for piece in pieces if piece[1]] == [
        ("LightGBM at zoom 1 and 2", "two"),
        ("LightGBM at zoom 1", "one"),
    ]
    assert "".join(text for text, _ in pieces).endswith("not LightGBM at zoom 10.")
    assert linked("Nothing.", {}) == [("Nothing.", "")]


def test_the_table_is_filtered_by_what_it_holds(study: StudyTables) -> None:
    table = runs_table(study.runs, study.selection["path"])
    filters = {found.label: found.values for found in filters_of(table)}
    assert filters["zoom"] == ["2", "3"]
    assert filters["model"][:2] == ["Decision tree", "LightGBM"]
    assert filters["chosen"] == ["selected"]
    none = filters_of(runs_table(study.runs, []))
    assert "chosen" not in {found.label for found in none}


# ---- cards ----


def test_an_object_of_two_groups_has_two_cards_and_one_address(folder: Path) -> None:
    groups = make_gallery(folder)
    assert [group.key for group in groups] == ["examples", "worst"], "a group without an object is left out"
    names = [card.identifier for group in groups for card in group.cards]
    assert len(set(names)) == len(names) == 5
    first = groups[0].cards[0]
    assert groups[1].cards[0].identifier == f"gallery-{first.target_id}-worst"
    assert object_links(groups, {first.target_id: "x", -1: "y"})[first.target_id] == f"#gallery-{first.target_id}"
    assert object_links(groups, {-1: "y"})[-1] == "y"
    assert first.source.startswith("data:image/png;base64,")


def test_what_is_not_known_of_an_object_is_left_out(folder: Path, tmp_path: Path) -> None:
    make_gallery(folder)
    content = read_json(folder / "report/gallery/gallery.json")
    entry = content["groups"][0]["objects"][0]
    entry |= {"z": None, "prediction": 0.5, "low": -0.25, "high": 1.0, "truth": None}
    write_json(tmp_path / "gallery.json", content)
    for image in (folder / "report/gallery").glob("*.png"):
        (tmp_path / image.name).write_bytes(image.read_bytes())
    facts = dict(load_gallery(tmp_path / "gallery.json")[0].cards[0].facts)
    assert facts["predicted"] == "0.50 (−0.25 to 1.00)"
    assert "redshift" not in facts
    assert "log SFR of the catalogue" not in facts


# ---- libraries ----


def test_a_module_s_default_export_becomes_a_global() -> None:
    assert as_global("let a=1;export{b as c,a as default};//end", "X") == "let a=1;globalThis.X=a;//end"
    with pytest.raises(HissError, match="exports nothing by default"):
        as_global("let a=1;export{a as b};", "X")
    with pytest.raises(HissError, match="exports nothing by default"):
        as_global("let a=1;", "X")
    assert "globalThis.DataTable=" in table_script()


def test_a_script_cannot_end_its_element_and_is_hashed_as_it_is_read() -> None:
    assert safe_script('a="</script>";\r\nb="</SCRIPT >";\rc') == 'a="<\\/script>";\nb="<\\/SCRIPT >";\nc'
