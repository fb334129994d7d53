"""The set's zip out of the net: resumed, checked, and read where it is."""

from hashlib import sha256 as hash_of
from pathlib import Path
from typing import Any, Final

from hiss.errors import HissError
from hiss.scenes.places import ZipPlace
from hiss.sdss.fetch import Limits, fetch_files
from hiss.sdss.fetch_one import Wanted

_SETTING: Final = "side_studies.scenes.address"


def fetch_scenes(address: str, folder: Path | str, sha256: str | None, limits: Limits | None = None) -> dict[str, Any]:
    """Fetch the zip into a folder, under a name of its address, or find it there intact.

    A transfer that broke off is gone on with; the zip has its name once it is whole.

    Returns
    -------
    dict
        ``address``, ``zip`` (its name in the folder), ``size`` [byte], ``sha256``, and ``table``, the table of frames
        in it.

    Raises
    ------
    HissError
        The server cannot be reached or refuses, the file is another than ``sha256`` tells, or holds no such table.
    """
    name = f"{hash_of(address.encode()).hexdigest()[:12]}.zip"
    wanted = Wanted(path=name, url=address, checksum=f"sha256:{sha256}" if sha256 else None)
    found = fetch_files([wanted], folder, limits or Limits()).iloc[0]
    if found["status"] == "rejected":
        raise HissError(
            f"{found['reason']}; correct {_SETTING}, or fetch the set by hand and name its files with source: local "
            "(docs/scenes.md)"
        )
    table = ZipPlace(Path(folder) / name).table_name
    return {"address": address, "zip": name, "size": int(found["size"]), "sha256": str(found["sha256"]), "table": table}
