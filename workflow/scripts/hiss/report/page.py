"""The report: one HTML file that needs nothing but itself."""

import base64
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from PIL import Image

from hiss.errors import HissError
from hiss.files import atomic
from hiss.report import libraries
from hiss.report.answers import Answer
from hiss.report.cards import Group
from hiss.report.interactive import Plot
from hiss.report.links import linked
from hiss.report.runs_table import Filter, filters_of
from hiss.report.tables import Table, pairs_table

_HERE = Path(__file__).parent
_LARGEST_SVG = 90_000  # bytes: above it the PNG is smaller and draws faster
_LEADING = 6  # answers in the open: the study's main questions come first; the others are folded
_PLAIN = " /:;=,.()-_+*!?@$~"  # what a data address need not quote

_TITLED = re.compile(r"^\*\*(?P<title>.+?)\*\*\s*(?P<rest>.*)$", re.DOTALL)


@dataclass(frozen=True)
class FigureOnPage:
    """A figure, its caption, and the address of its bytes, which are in the page."""

    name: str
    title: str
    caption: str
    source: str
    data: str
    """Path of the CSV behind it, relative to the report."""


@dataclass(frozen=True)
class Section:
    """A part of the report under its own heading."""

    heading: str
    identifier: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[FigureOnPage] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)

    @property
    def replaced(self) -> set[str]:
        """Names of the figures that show what an interactive plot shows."""
        return {plot.still for plot in self.plots}


@dataclass(frozen=True)
class Export:
    """A file for other programs: its address beside the report, and what it is for."""

    link: str
    text: str


@dataclass(frozen=True)
class Page:
    """What the template shows."""

    title: str
    summary: list[str]
    answers: list[Answer]
    sections: list[Section]
    runs: Table | None
    provenance: list[Table]
    gallery: list[Group] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    links: Mapping[str, str] = field(default_factory=dict)
    """What the answers call a run, and the address of its folder."""

    @property
    def leading(self) -> list[Answer]:
        """The answers that the report opens with."""
        return self.answers[:_LEADING]

    @property
    def further(self) -> list[Answer]:
        """The answers behind a fold."""
        return self.answers[_LEADING:]

    @property
    def plots(self) -> list[Plot]:
        """The interactive plots of all sections."""
        return [plot for section in self.sections for plot in section.plots]

    @property
    def filters(self) -> list[Filter]:
        """The columns by which the table of runs is filtered."""
        return filters_of(self.runs) if self.runs else []


@dataclass(frozen=True)
class Script:
    """A script of the page; a module runs when the page is read."""

    text: str
    module: bool = False

    @property
    def digest(self) -> str:
        """Its hash as a content security policy names it."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode()


def read_caption(path: Path) -> tuple[str, str]:
    """Return title and text of a caption, ``**Title.** Text``, as plain text.

    The same files are the captions of Snakemake's own report.
    """
    content = " ".join(path.read_text().split())
    match = _TITLED.match(content)
    if not match:
        raise HissError(f"{path}: a caption starts with its title between two pairs of asterisks")
    return match["title"].rstrip("."), match["rest"].replace("``", "")


def load_figure(svg: Path, caption: Path) -> FigureOnPage:
    """Return a figure with its bytes: the SVG, or the PNG beside it where the SVG is large."""
    title, text = read_caption(caption)
    if svg.stat().st_size > _LARGEST_SVG:
        encoded = base64.b64encode(_in_256_colours(svg.with_suffix(".png"))).decode()
        source = f"data:image/png;base64,{encoded}"
    else:  # as text: a third less than in base 64
        drawn = " ".join(svg.read_text(encoding="utf-8").split())
        source = f"data:image/svg+xml,{quote(drawn, safe=_PLAIN)}"
    return FigureOnPage(svg.stem, title, text, source, f"figures/{svg.stem}.csv")


def _in_256_colours(png: Path) -> bytes:
    """Return a picture with a palette of its own: a third of the bytes, and no difference to see."""
    packed = io.BytesIO()
    with Image.open(png) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(packed, format="png", optimize=True)
    return packed.getvalue()


def load_figures(files: Sequence[Path | str], captions: Sequence[Path | str]) -> dict[str, FigureOnPage]:
    """Return the figures by name, of those files that are SVG.

    A figure of one model takes the caption of its kind: ``fig_metrics.rst`` is that of every ``fig_metrics_<model>``.
    """
    by_name = {Path(path).stem: Path(path) for path in captions}
    figures = {}
    for svg in (path for path in map(Path, files) if path.suffix == ".svg"):
        known = [name for name in by_name if svg.stem == name or svg.stem.startswith(f"{name}_")]
        if not known:
            raise HissError(f"{svg.stem} has no caption in workflow/report; write {svg.stem}.rst there")
        figures[svg.stem] = load_figure(svg, by_name[max(known, key=len)])
    return figures


def scripts_of(page: Page) -> list[Script]:
    """Return the scripts a page needs, in order: the libraries only where there is something for them to show."""
    scripts = [Script(_own("report.js"))]
    if page.plots:
        scripts += [Script(libraries.plotly_script()), Script(_own("plots.js"))]
    if page.runs:
        scripts += [Script(libraries.table_script(), module=True), Script(_own("runs.js"), module=True)]
    return scripts


def _own(name: str) -> str:
    """Return a script of ours as the page holds it."""
    return libraries.safe_script((_HERE / name).read_text(encoding="utf-8"))


def policy(scripts: Sequence[Script]) -> str:
    """Return the page's content security policy: nothing is loaded, and nothing runs but these scripts."""
    allowed = " ".join(f"'{script.digest}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def render(page: Page) -> str:
    """Return the HTML of a report."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = scripts_of(page)
    return environment.get_template("template.html.j2").render(
        page=page,
        scripts=scripts,
        policy=policy(scripts),
        table_style=libraries.table_style() if page.runs else "",
        carried=libraries.library_names() if page.runs else "",
        linked=lambda sentence: linked(sentence, page.links),
    )


def write_page(path: Path | str, page: Page) -> None:
    """Write the HTML of a report, whole or not at all."""
    html = render(page)
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def provenance_tables(record: Mapping[str, Any], sky: str) -> list[Table]:
    """Return the record of `hiss.provenance.provenance`, with the settings of the sky that was used, as tables."""
    inputs = [(name, value) for name, value in record["inputs"].items()]
    code = [("program (script and library)", record["code"]), ("packages (requirements.lock)", record["environment"])]
    used = dict(record["settings"])
    if "sky" in used:
        used["sky"] = {key: value for key, value in used["sky"].items() if key in ("source", sky)}
    settings = [(name, "none" if value is None else value) for name, value in _flat(used)]
    return [
        pairs_table("Settings", settings),
        pairs_table("SHA-256 of the program and of the packages it was tested with", code),
        pairs_table("SHA-256 of the tables in this report", inputs),
    ]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{name}.")
        else:
            pairs.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else value))
    return pairs
