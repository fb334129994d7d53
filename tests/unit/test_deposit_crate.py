"""The crate of a run: every file it names is there and hashes right, and a reader of crates understands it."""

import json
import shutil
import warnings
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import h5py
import pytest
from miniature_exports import SETTINGS, deposit
from miniature_results import Study, drawn_study, evaluate, make_results
from rocrate.rocrate import ROCrate

from hiss.deposit import crate as crates
from hiss.deposit.crate import describe, files_of
from hiss.deposit.history import when_run
from hiss.deposit.sources import keep_workflow
from hiss.errors import HissError
from hiss.files import read_json, sha256_of, write_json
from hiss.provenance import digest

SMALLEST = Study(("decision_tree",), (3,), ("photo",), (), intervals=False, variants=False, cascade=False)


def small_sample(base):
    """A sky without a study."""
    return make_results(base / "sample_alone", None, n=6)


def small_study(base):
    """The smallest study, without figures."""
    return evaluate(make_results(base / "smallest", SMALLEST, n=120), SMALLEST)


KINDS = ("study", "single", "sample")


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory, repo):
    place = tmp_path_factory.mktemp("deposited")
    if request.param == "study":  # with figures and a report; made once for many tests, which do not want a crate in it
        place = Path(shutil.copytree(drawn_study(tmp_path_factory.getbasetemp()), place / "study"))
    else:
        place = small_study(place) if request.param == "single" else small_sample(place)
    write_json(place / "ro-crate-metadata.json", describe(deposit(place, repo)))
    return place


def files_in(graph):
    return {unquote(entity["@id"]): entity for entity in graph if "File" in entity["@type"]}


def test_each_file_named_is_there_and_hashes_right(folder):
    graph = read_json(folder / "ro-crate-metadata.json")["@graph"]
    files = files_in(graph)
    assert len(files) > 10
    for place, entity in files.items():
        path = folder / place
        assert int(entity["contentSize"]) == path.stat().st_size, place
        assert entity["sha256"] == sha256_of(path), place
        assert "/" in entity["encodingFormat"]
    folders = [entity["@id"] for entity in graph if entity["@type"] == "Dataset"]
    assert all((folder / place).is_dir() for place in folders)
    identifiers = [entity["@id"] for entity in graph]
    assert len(set(identifiers)) == len(identifiers)


def test_every_reference_inside_is_to_an_entity(folder):
    graph = read_json(folder / "ro-crate-metadata.json")["@graph"]
    known = {entity["@id"] for entity in graph}

    def references(value):
        if isinstance(value, dict):
            yield from (
                [value["@id"]]
                if set(value) == {"@id"}
                else (each for one in value.values() for each in references(one))
            )
        elif isinstance(value, list):
            yield from (each for one in value for each in references(one))

    outside = {name for name in references(graph) if name not in known}
    assert outside <= {
        "https://w3id.org/ro/crate/1.3",
        "http://schema.org/CompletedActionStatus",
        "https://doi.org/10.1093/bioinformatics/bts480",
        "https://snakemake.readthedocs.io",
    }


def test_the_library_reads_it_back_as_a_run_of_a_workflow(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crate = ROCrate(folder)
    assert crate.name == "A miniature"
    assert crate.mainEntity.id == "exports/workflow/Snakefile"
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} == set(crate.mainEntity.type)
    assert crate.mainEntity["programmingLanguage"]["version"] == "9.27.1"
    told = {profile.id for profile in crate.root_dataset["conformsTo"]}
    assert told == {
        "https://w3id.org/ro/wfrun/process/0.6",
        "https://w3id.org/ro/wfrun/workflow/0.6",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.1",
    }
    (action,) = crate.root_dataset["mentions"]
    assert action.type == "CreateAction"
    assert action["instrument"] is crate.mainEntity
    assert [entity.id for entity in action["object"]] == ["exports/config.json"]
    results = {entity.id for entity in action["result"]}
    assert "exports/summary.json" in results
    assert not [place for place in results if place.startswith("exports/workflow")]
    assert crate.license.id == "https://spdx.org/licenses/BSD-3-Clause"
    assert any("mnras" in str(one.id).lower() or "doi.org" in one.id for one in crate.root_dataset["citation"])


def test_it_is_the_same_when_made_again_whatever_the_order(folder, repo):
    given = deposit(folder, repo)
    turned = crates.Deposit(**(vars(given) | {"files": given.files[::-1], "captions": given.captions[::-1]}))
    assert json.dumps(describe(turned)) == json.dumps(describe(given))


def test_figures_and_tables_are_told_by_their_captions(folder):
    if not (folder / "report").is_dir():
        assert not [
            place for place in files_in(read_json(folder / "ro-crate-metadata.json")["@graph"]) if "fig_" in place
        ]
        return
    graph = files_in(read_json(folder / "ro-crate-metadata.json")["@graph"])
    assert graph["evaluation/metrics.csv"]["name"] == "Metrics on the test set"
    assert "95 % intervals" in graph["evaluation/metrics.csv"]["description"]
    for suffix in ("svg", "png", "csv"):
        assert graph[f"report/figures/fig_pareto.{suffix}"]["name"] == "Accuracy against cost"
    assert graph["report/report.html"]["encodingFormat"] == "text/html"


def test_selected_runs_are_there_whole_and_others_not(tmp_path, repo):
    study = Study(("decision_tree", "lightgbm"), (2, 3), baselines=(), variants=False, cascade=False)
    folder = evaluate(make_results(tmp_path, study, n=120), study)
    places = {file.relative_to(folder).as_posix() for file in deposit(folder, repo).files}
    selection = (folder / "evaluation" / "selection.csv").read_text()
    runs = {place.rpartition("/")[0] for place in places if place.startswith("runs/")}
    assert all(run in selection or "/late/" in run for run in runs)
    assert len([run for run in runs if "/lightgbm/" in run and "/late/" not in run]) == 6
    for run in runs:
        assert {file.name for file in (folder / run).iterdir()} == {
            place.rpartition("/")[2] for place in places if place.startswith(f"{run}/")
        }


def test_a_large_cube_is_known_by_its_own_record(tmp_path, repo, monkeypatch):
    folder = small_sample(tmp_path)
    monkeypatch.setattr(crates, "_LARGE", 1000)
    with h5py.File(folder / "cube" / "dense.h5", "a") as file:
        file.attrs["provenance"] = json.dumps({"inputs": {"x": "1"}})
    entity = files_in(describe(deposit(folder, repo))["@graph"])["cube/dense.h5"]
    assert "sha256" not in entity
    assert entity["identifier"] == f"provenance:sha256:{digest({'inputs': {'x': '1'}})}"
    with h5py.File(folder / "cube" / "dense.h5", "a") as file:
        del file.attrs["provenance"]
    entity = files_in(describe(deposit(folder, repo))["@graph"])["cube/dense.h5"]
    assert not {"sha256", "identifier"} & set(entity)


def test_times_are_those_of_the_jobs(tmp_path, repo):
    folder = small_sample(tmp_path)
    for name, stamp, seconds in (("a", "2026-01-02 10:00:00", 5.2), ("b/c", "2026-01-03 11:00:00", 60.4)):
        for kind, suffix in (("logs", "log"), ("benchmarks", "jsonl")):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
            text = f"{stamp} on somewhere\nsaid\n" if kind == "logs" else json.dumps({"s": seconds}) + "\n"
            (folder / kind / f"{name}.{suffix}").write_text(text)
    for kind, suffix in (("logs", "log"), ("benchmarks", "jsonl")):  # an earlier crate of the same folder
        (folder / kind / "exports").mkdir(parents=True, exist_ok=True)
        text = "2026-03-03 10:00:00 on somewhere\n" if kind == "logs" else json.dumps({"s": 2.0}) + "\n"
        (folder / kind / "exports" / f"write_crate.{suffix}").write_text(text)
    (folder / "logs" / "killed.log").write_text("2026-02-02 10:00:00 on somewhere\n")
    (folder / "logs" / "empty.log").write_text("")
    (folder / "benchmarks" / "empty.jsonl").write_text('{"s": 1}\n')
    start = datetime(2026, 1, 2, 10, 0, 0).astimezone(UTC)  # of this machine, as in a log
    end = datetime(2026, 1, 3, 11, 1, 0).astimezone(UTC)
    assert when_run(folder / "logs", folder / "benchmarks") == (start, end)
    graph = describe(deposit(folder, repo))["@graph"]
    action = next(entity for entity in graph if entity["@type"] == "CreateAction")
    assert (action["startTime"], action["endTime"]) == (start.isoformat(), end.isoformat())
    assert next(entity for entity in graph if entity["@id"] == "./")["datePublished"] == str(end.date())
    logs = next(entity for entity in graph if entity["@id"] == "logs/")
    assert logs["about"] == {"@id": action["@id"]}
    assert "somewhere" not in json.dumps(graph)
    assert when_run(folder / "none", folder / "none") is None


@pytest.mark.parametrize(
    ("sky", "release", "address"),
    [("archive", "dr16", "https://www.sdss.org/dr16/"), ("local", None, "https://www.sdss.org/")],
)
def test_data_of_the_survey_are_referred_to(tmp_path, repo, sky, release, address):
    folder = small_sample(tmp_path)
    settings = SETTINGS | {"sky": {"source": sky, "archive": {"data_release": release}}}
    graph = describe(deposit(folder, repo, sky, settings))["@graph"]
    root = next(entity for entity in graph if entity["@id"] == "./")
    assert root["isBasedOn"][0] == {"@id": address}
    assert {"@id": address} not in root["hasPart"]
    assert "simulated" not in root["description"]
    simulated = describe(deposit(folder, repo))["@graph"]
    assert "isBasedOn" not in next(entity for entity in simulated if entity["@id"] == "./")


def test_people_are_people(tmp_path, repo):
    folder = small_sample(tmp_path)
    given = deposit(folder, repo)
    people = [{"given-names": "Ada", "family-names": "Lovelace", "orcid": "https://orcid.org/0"}, {"name": "A group"}]
    turned = crates.Deposit(**(vars(given) | {"citation": {**given.citation, "authors": people}}))
    graph = {entity["@id"]: entity for entity in describe(turned)["@graph"]}
    assert graph["https://orcid.org/0"] == {"@id": "https://orcid.org/0", "@type": "Person", "name": "Ada Lovelace"}
    assert graph["#author-2"]["@type"] == "Organization"
    assert graph["./"]["author"] == [{"@id": "https://orcid.org/0"}, {"@id": "#author-2"}]


def test_files_outside_the_results_are_left_out(tmp_path):
    (tmp_path / "results" / "sub").mkdir(parents=True)
    for place in ("results/a.csv", "results/sub/b.csv", "results/sub/.hidden", "other.csv"):
        (tmp_path / place).write_text("x")
    given = [[str(tmp_path / "results/a.csv"), str(tmp_path / "other.csv")], str(tmp_path / "results/sub")]
    found = files_of(tmp_path / "results", given, [], [])
    assert [path.name for path in found] == ["a.csv", "b.csv"]


def test_the_workflow_is_kept_in_its_places_and_nothing_of_before(tmp_path):
    for place in ("w/Snakefile", "w/rules/a.smk", "elsewhere.txt", "kept/old.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(place)
    files = [tmp_path / "w/Snakefile", tmp_path / "w/rules/a.smk"]
    keep_workflow(files, tmp_path / "w", tmp_path / "kept", {"b": 1, "a": None}, tmp_path / "config.json")
    kept = {path.relative_to(tmp_path / "kept").as_posix(): path.read_text()
            for path in (tmp_path / "kept").rglob("*") if path.is_file()}  # fmt: skip
    assert kept == {"Snakefile": "w/Snakefile", "rules/a.smk": "w/rules/a.smk"}
    assert read_json(tmp_path / "config.json") == {"a": None, "b": 1}
    with pytest.raises(HissError, match="is no part of the workflow"):
        keep_workflow([tmp_path / "elsewhere.txt"], tmp_path / "w", tmp_path / "kept", {}, tmp_path / "config.json")
