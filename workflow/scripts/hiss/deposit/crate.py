"""The RO-Crate of a run: every file worth a deposit, with size and hash, and how it came about.

The form is that of the Workflow Run Crate 0.6 (https://w3id.org/ro/wfrun/workflow/0.6), on RO-Crate 1.3. The crate's
root is the results folder; nothing is copied, and what it was made of is referred to.
"""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from hiss.deposit.cited import add_authors, add_licence, add_references, add_sources
from hiss.deposit.history import newest, when_run
from hiss.files import sha256_of
from hiss.provenance import digest
from hiss.report.page import read_caption

WORKFLOW: Final = "exports/workflow"
CONFIG: Final = "exports/config.json"

_LARGE: Final = 64 * 2**20  # bytes of an HDF5 file above which its own record stands for its hash
_PROFILES: Final = {
    "https://w3id.org/ro/wfrun/process/0.6": ("Process Run Crate", "0.6"),
    "https://w3id.org/ro/wfrun/workflow/0.6": ("Workflow Run Crate", "0.6"),
}
_FORMATS: Final = {
    ".cff": "application/yaml", ".css": "text/css", ".csv": "text/csv", ".fits": "application/fits",
    ".h5": "application/x-hdf5", ".html": "text/html", ".j2": "text/plain", ".js": "text/javascript",
    ".json": "application/json", ".md": "text/markdown", ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png", ".py": "text/x-python", ".rst": "text/x-rst", ".safetensors": "application/octet-stream",
    ".npz": "application/zip", ".sh": "text/x-shellscript", ".svg": "image/svg+xml", ".toml": "application/toml",
    ".vot": "application/x-votable+xml", ".yaml": "application/yaml",
}  # fmt: skip
_FOLDERS: Final = {
    f"{WORKFLOW}/": "The workflow as it ran",
    "cube/shards/": "Shards that the files of the cube show, where it was built in shards",
    "runs/": "A folder for each run: metrics, curve, predictions on validation objects, and the model",
    "logs/": "What each job said",
    "benchmarks/": "Time and memory of each job, as Snakemake measured them",
}
_TOLD: Final = {
    CONFIG: "Settings of the run, all defaults written out; Snakemake takes it as a config file",
    "exports/predictions.parquet": "Predictions of the best run, a row an object, with what is known of it",
    "exports/predictions_all.parquet": "Predictions of all selected runs, their fusions and the baselines",
    "exports/summary.json": "What was found, for machines",
    "exports/summary.schema.json": "JSON schema of the summary",
    "sky/manifest.parquet": "The raw files that the cube was built from, with the SHA-256 of each",
    "cube/hiss_cube.h5": "The HiSS-Cube: external links to the three files beside it",
    "cube/sparse.h5": "The HiSS-Cube: frames and spectra at all zooms",
    "cube/links.h5": "The HiSS-Cube: which frames show which spectrum",
    "cube/dense.h5": "The HiSS-Cube: stacked cutouts and spectra of the targets",
    "cube/rejects.parquet": "Inputs that are not in the cube, with the reason of each",
    "sample/objects.parquet": "The labelled objects",
}
_PACKAGES: Final = (
    "numpy", "pandas", "pyarrow", "scipy", "h5py", "astropy", "scikit-learn", "lightgbm", "torch", "matplotlib",
)  # fmt: skip


@dataclass(frozen=True)
class Deposit:
    """What a crate is made of."""

    results: Path
    title: str
    sky: str
    """simulated, local, archive or existing."""
    files: Sequence[Path]
    """Below the results folder; those of the workflow and its settings among them."""
    citation: Mapping[str, Any]
    """CITATION.cff."""
    settings: Mapping[str, Any]
    snakemake: str
    """Its version."""
    captions: Sequence[Path] = field(default_factory=list)
    """Of figures and tables; a caption's name is that of the file it tells of, or how that begins."""


def files_of(
    results: Path, given: Iterable[str | Iterable[str]], selected: Iterable[str], fusions: Iterable[str]
) -> list[Path]:
    """Return the files of a deposit: those given, those in given folders, and all of the selected runs and fusions.

    Parameters
    ----------
    given
        Paths of files and folders, or lists of them; what lies outside the results folder is left out.
    selected
        Folders of the selected runs, relative to the results folder.
    fusions
        metrics.json of the fusions.
    """
    paths = [Path(path) for entry in given for path in ([entry] if isinstance(entry, str) else entry)]
    inside = [path for path in paths if path.is_relative_to(results)]
    found = [file for path in inside for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    folders = [*(results / folder for folder in selected), *(Path(path).parent for path in fusions)]
    found += [file for folder in folders for file in sorted(folder.iterdir())]
    return sorted({file for file in found if file.is_file() and not file.name.startswith(".")})


def describe(deposit: Deposit) -> dict[str, Any]:
    """Return the crate's metadata, as ro-crate-metadata.json holds it: the same for the same files and logs."""
    crate = ROCrate()
    known = _add_files(crate, deposit)
    workflow, config = known[f"{WORKFLOW}/Snakefile"], known[CONFIG]
    authors, licence = add_authors(crate, deposit.citation), add_licence(crate, deposit.citation)
    workflow["name"], workflow["author"], workflow["license"] = deposit.citation["title"], authors, licence
    workflow["softwareRequirements"] = _add_software(crate)
    sources = add_sources(crate, deposit.sky, deposit.settings)
    action = _add_action(crate, deposit, workflow, [config, *sources], known)
    for name, told in _FOLDERS.items():
        if (deposit.results / name).is_dir():
            folder = crate.add_dataset(dest_path=name, properties={"name": told})
            if name in ("logs/", "benchmarks/"):
                folder["about"] = action
    root = crate.root_dataset
    for identifier, (name, number) in _PROFILES.items():
        profile = {"@type": ["CreativeWork", "Profile"], "name": name, "version": number}
        root.append_to("conformsTo", crate.add(ContextEntity(crate, identifier, profile)))
    root["name"] = deposit.title
    root["description"] = _description(deposit)
    root["datePublished"] = str(action.get("endTime", newest(list(deposit.files)).isoformat()))[:10]
    root["author"], root["license"] = authors, licence
    root["mentions"] = [action]
    root["citation"] = add_references(crate, deposit.citation)
    if sources:
        root["isBasedOn"] = sources
    return dict(crate.metadata.generate())


def _description(deposit: Deposit) -> str:
    sky = {
        "simulated": "a simulated sky, whose numbers say nothing about real galaxies",
        "local": "a folder of SDSS files",
        "archive": "a region of the public SDSS archive",
        "existing": "a HiSS-Cube made elsewhere",
    }
    return (
        f"{deposit.citation['title']} on {sky[deposit.sky]}: tables, figures, report, predictions and selected models, "
        "with the workflow and its settings. Raw inputs are referred to, not included."
    )


# ---- files ----


def _add_files(crate: ROCrate, deposit: Deposit) -> dict[str, Entity]:
    """Add every file, in order of its path; return the entities by path."""
    captions = {path.stem: _caption(path) for path in deposit.captions}
    known = {}
    for path in sorted(set(deposit.files)):
        place = path.relative_to(deposit.results).as_posix()
        told = _told(path, place, captions)
        if place == f"{WORKFLOW}/Snakefile":
            known[place] = crate.add_workflow(
                path, place, properties=told, main=True, lang="snakemake", lang_version=deposit.snakemake
            )
        else:
            known[place] = crate.add(File(crate, path, place, properties=told))
    return known


def _told(path: Path, place: str, captions: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": _TOLD.get(place, place), "contentSize": str(path.stat().st_size)}
    told["encodingFormat"] = _FORMATS.get(path.suffix, "text/plain")
    if place.startswith(("report/", "evaluation/", "sample/")):
        stems = [stem for stem in captions if path.stem == stem or path.stem.startswith(f"{stem}_")]
        if stems:
            title, told["description"] = captions[max(stems, key=len)]
            told["name"] = title or told["name"]
    return told | _identity(path)


def _caption(path: Path) -> tuple[str, str]:
    """Return title and text of a caption; a table's may have no title."""
    text = " ".join(path.read_text().split())
    return read_caption(path) if text.startswith("**") else ("", text.replace("``", ""))


def _identity(path: Path) -> dict[str, str]:
    """Return what tells a file from another: its hash, or that of the record a large HDF5 file carries, if any."""
    if path.suffix != ".h5" or path.stat().st_size <= _LARGE:
        return {"sha256": sha256_of(path)}
    import h5py

    with h5py.File(path, "r") as file:
        record = file.attrs.get("provenance")
    return {} if record is None else {"identifier": f"provenance:sha256:{digest(json.loads(record))}"}


# ---- what happened ----


def _add_action(
    crate: ROCrate, deposit: Deposit, workflow: Entity, objects: list[Entity], known: Mapping[str, Entity]
) -> Entity:
    """Add the run of the workflow: what it was given, what it made, and when."""
    made = [entity for place, entity in known.items() if not place.startswith(f"{WORKFLOW}/") and place != CONFIG]
    name = f"#run-{digest(dict(deposit.settings))[:12]}"
    span = when_run(deposit.results / "logs", deposit.results / "benchmarks")
    told = {
        "@type": "CreateAction",
        "name": f"Run of the workflow: {deposit.title}",
        "description": f"snakemake --configfile {CONFIG}",
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }
    if span is not None:
        told |= {"startTime": span.start.isoformat(), "endTime": span.end.isoformat()}
    return crate.add_action(workflow, name, objects, made, told)


def _add_software(crate: ROCrate) -> list[Entity]:
    """Add the software that this job has, by name and version; environments and the lock are among the files."""
    found = {"python": platform.python_version()} | dict(_installed(_PACKAGES))
    entities = []
    for name, number in found.items():
        url = "https://www.python.org/" if name == "python" else f"https://pypi.org/project/{name}/"
        told = {"@type": "SoftwareApplication", "name": name, "softwareVersion": number, "url": url}
        entities.append(crate.add(ContextEntity(crate, f"#{name}", told)))
    return entities


def _installed(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
