"""The tables a plan starts from, fetched once: MPA-JHU's catalogue and the survey's lists."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from hiss.errors import HissError
from hiss.sdss.archive import CATALOGUE_FOLDER, SURVEY_LISTS, address, catalogue_addresses
from hiss.sdss.fetch import Limits, fetch_files
from hiss.sdss.fetch_one import Wanted

_WITHOUT: Final = {
    "gal_info": "name where it lies in sky.archive.catalogue_url",
    "gal_totsfr": "name where it lies in sky.archive.catalogue_url",
    "field_list": "name an archive that has it in sky.archive.base_url, or set sky.archive.field_list: false",
    "plate_list": "name an archive that has it in sky.archive.base_url, or set sky.archive.plate_list: false",
}


def fetch_survey_tables(
    root: Path | str,
    catalogue: str,
    catalogue_url: str | None,
    base_url: str,
    data_release: str,
    lists: Iterable[str],
    limits: Mapping[str, Any],
) -> pd.DataFrame:
    """Fetch MPA-JHU's two tables and the survey's lists, and return one row a file.

    Parameters
    ----------
    root
        Folder of raw files.
    lists
        Of ``field_list`` and ``plate_list``.
    limits
        ``connections retries timeout_s``.

    Returns
    -------
    DataFrame
        ``name`` (gal_info, gal_totsfr, field_list, plate_list), then as `hiss.sdss.fetch.fetch_files` gives it, with
        ``path`` below the folder of raw files.

    Raises
    ------
    HissError
        A table is not to be had: nothing can be planned without it.
    """
    how = Limits(**limits)
    addresses = catalogue_addresses(catalogue, catalogue_url)
    tables = [Wanted(path=url.rsplit("/", 1)[1], url=url) for url in addresses.values()]
    first = fetch_files(tables, Path(root) / CATALOGUE_FOLDER, how)
    first = first.assign(name=list(addresses), path=f"{CATALOGUE_FOLDER}/" + first["path"])
    paths = {name: SURVEY_LISTS[name](data_release) for name in lists}
    wanted = [Wanted(path=path, url=address(base_url, path)) for path in paths.values()]
    second = fetch_files(wanted, root, how).assign(name=list(paths)) if paths else first.iloc[:0]
    fetched = pd.concat([first, second], ignore_index=True)
    for row in fetched.itertuples():
        if row.status == "rejected":
            raise HissError(f"{row.url}: {row.reason}; {_WITHOUT[str(row.name)]}")
    return fetched[["name", *(column for column in fetched if column != "name")]]
