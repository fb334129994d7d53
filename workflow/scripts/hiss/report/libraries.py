"""The two libraries that the page carries: plotly.js for the plots, DataTables for the table of runs; both MIT."""

import re
from importlib import metadata, resources

from hiss.errors import HissError

_EXPORTS = re.compile(r"export\s*\{([^{}]*)\}\s*;?")
_CLOSES = re.compile(r"</(?=script)", re.IGNORECASE)


def plotly_script() -> str:
    """Return plotly.js, which makes ``Plotly``, as the Python package carries it."""
    from plotly.offline import get_plotlyjs  # late: only a page with plots needs it

    return safe_script(get_plotlyjs())


def table_script() -> str:
    """Return DataTables, of the bundle that `itables` carries, as a script of type module that makes ``DataTable``.

    Raises
    ------
    HissError
        When the bundle does not export DataTables as it did.
    """
    return safe_script(as_global(_of_itables("dt_bundle.js"), "DataTable"))


def table_style() -> str:
    """Return the style sheet of the bundle."""
    return _of_itables("dt_bundle.css")


def library_names() -> str:
    """Return what is in the page, with versions and licence, in words."""
    from plotly.offline import get_plotlyjs_version

    tables = re.search(r"\*! DataTables (\d+(?:\.\d+)+)", _of_itables("dt_bundle.js"))
    version = f" {tables[1]}" if tables else ""
    return (
        f"The page carries plotly.js {get_plotlyjs_version()} and DataTables{version} (of the Python package itables "
        f"{metadata.version('itables')}), both under the MIT licence, and loads nothing."
    )


def _of_itables(name: str) -> str:
    return (resources.files("itables") / "html" / name).read_text(encoding="utf-8")


def as_global(module: str, name: str) -> str:
    """Return a module with its default export put into the global ``name``; an inline module can export nothing."""
    found = list(_EXPORTS.finditer(module))
    parts = [part.split() for part in found[-1][1].split(",")] if found else []
    exported = {part[-1]: part[0] for part in parts if part}  # ``vh as default``
    if "default" not in exported:
        raise HissError(
            "the bundle of DataTables in the package itables exports nothing by default; install the version of "
            "requirements.lock (make setup)"
        )
    last = found[-1]
    return f"{module[: last.start()]}globalThis.{name}={exported['default']};{module[last.end() :]}"


def safe_script(text: str) -> str:
    """Return a script that can stand inside an HTML page: no end tag in its strings, and line ends as HTML reads them.

    A page's hash of a script is of what a browser has read.
    """
    return _CLOSES.sub(r"<\\/", text.replace("\r\n", "\n").replace("\r", "\n"))
