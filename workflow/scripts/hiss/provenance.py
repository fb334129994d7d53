"""Where an artefact comes from: hashes of inputs, settings, code and environment."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hiss.files import sha256_of

_ROOT = Path(__file__).resolve().parents[3]
_LARGE = 64 * 2**20


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def provenance(
    inputs: Mapping[str, Path | str], settings: Mapping[str, Any], code: Iterable[Path | str] = ()
) -> dict[str, Any]:
    """Return the record kept with an artefact: what it was made from, with what, by which code.

    Parameters
    ----------
    inputs
        Name and path of each input. A small file is known by its SHA-256; an HDF5 file that carries a record
        of its own by that record's digest; any other large one by its size.
    settings
        The parameters that made a difference, the seed among them.
    code
        The script and the library modules that ran.
    """
    return {
        "inputs": {name: _identity(Path(path)) for name, path in sorted(inputs.items())},
        "settings": dict(settings),
        "code": digest({Path(path).name: sha256_of(path) for path in code}),
        "environment": sha256_of(_ROOT / "requirements.lock"),
    }


def job_record(snakemake: Any) -> dict[str, Any]:
    """Return the record of what a rule's script writes, from the inputs, parameters and wildcards it was given."""
    named = {name: value for name, value in snakemake.input.items() if name not in ("code", "script")}
    inputs = {
        name if isinstance(value, str) else f"{name}[{place}]": path
        for name, value in named.items()
        for place, path in enumerate([value] if isinstance(value, str) else value)
    }
    settings = {**dict(snakemake.params.items()), **dict(snakemake.wildcards.items())}
    return provenance(inputs, settings, snakemake.input.code)


def _identity(path: Path) -> str:
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path, "r") as file:
            if "provenance" in file.attrs:
                return digest(json.loads(file.attrs["provenance"]))
    if path.stat().st_size <= _LARGE:
        return sha256_of(path)
    return f"size:{path.stat().st_size}"
