"""Which objects the gallery shows, and what it says of each; `write_gallery` reads, draws and writes them."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.evaluation.collect import BASELINE_NAMES
from hiss.files import write_json, write_table
from hiss.plots.example import Example, name_of
from hiss.plots.gallery import draw_card
from hiss.report.gallery_words import alternative, facts_of, text_of, title_of
from hiss.report.links import survey_page
from hiss.report.phrases import OF_MODELS, Row, count, describe, looks_at, lower_baselines, lowest, model_name, percent
from hiss.sample.arrays import load_rows

SHOWN: Final = 6
"""Objects of a group."""

_COLUMNS: Final = (
    *("group", "place", "target_id", "row", "name", "ra", "dec", "z", "truth", "p16", "p84", "prediction"),
    *("low", "high", "image"),
)


@dataclass(frozen=True)
class GalleryTables:
    """What the gallery chooses from.

    Attributes
    ----------
    objects
        All labelled objects, with ``regions`` (of the multi-object test), ``multi`` and ``missing`` (share of flux).
    cleaned
        (n,) rows of those that pass every cut of the sample.
    metrics, tests
        Of the study; None without one.
    level
        Share of the objects that an interval is to hold; None without intervals.
    """

    objects: pd.DataFrame
    cleaned: NDArray[np.int64]
    metrics: pd.DataFrame | None = None
    tests: pd.DataFrame | None = None
    level: float | None = None

    @classmethod
    def of(
        cls, objects: pd.DataFrame, multi: pd.DataFrame, missing: pd.DataFrame, cleaned: pd.DataFrame
    ) -> "GalleryTables":
        """Return the tables of a sample alone, from those of its rules."""
        fine = missing.loc[missing["zoom"] == 0, ["row", "fraction"]].rename(columns={"fraction": "missing"})
        found = multi[["row", "n_regions", "multi"]].rename(columns={"n_regions": "regions"})
        return cls(objects.merge(found, on="row").merge(fine, on="row"), cleaned["row"].to_numpy())

    def with_study(self, metrics: pd.DataFrame, tests: pd.DataFrame, level: float | None) -> "GalleryTables":
        """Return them with those of a study."""
        return replace(self, metrics=metrics, tests=tests, level=level)


@dataclass(frozen=True)
class Group:
    """Objects chosen by one rule.

    Attributes
    ----------
    objects
        Their rows of the objects, in the order shown, with ``prediction``, ``low``, ``high`` (NaN without).
    remarks
        A sentence each beside what is said of every object.
    """

    key: str
    heading: str
    sentence: str
    objects: pd.DataFrame
    remarks: tuple[str, ...] = ()


def choose_groups(tables: GalleryTables) -> list[Group]:
    """Return the groups that the tables allow, those without an object left out."""
    found = [_examples(tables), _flagged(tables)]
    best = _best_run(tables)
    if best is not None and tables.metrics is not None:
        tested = _tested(tables, best)
        worst = _largest(tested, tested["error"].abs())
        missed = _missed(tested, worst, tables.level)
        baselines = lower_baselines(tables.metrics, best)
        found += [_well(tested, best, baselines), _badly(tested, worst, best), missed]
        found += [_apart(tables, tested, best, missed, worst)]
    return [group for group in found if len(group.objects)]


# ---- of the sample ----


def _examples(tables: GalleryTables) -> Group:
    objects = tables.objects
    clean = objects[objects["row"].isin(tables.cleaned)].sort_values(["avg", "row"])
    rows = []
    for part in np.array_split(np.arange(len(clean)), SHOWN):
        if len(part):
            by_noise = clean.iloc[part].sort_values(["sn_median", "row"], na_position="first")
            rows.append(by_noise.iloc[len(by_noise) // 2])
    sentence = (
        f"Of the {count(len(clean), 'object')} that pass every cut of the sample, in order of AVG and cut into "
        f"{SHOWN} equal parts, the one of median S/N in each part."
    )
    return Group("examples", "Examples over the range of star formation rates", sentence, _unpredicted(clean, rows))


def _flagged(tables: GalleryTables) -> Group:
    flagged = tables.objects[tables.objects["multi"].astype(bool)]
    shown = flagged.sort_values(["regions", "sn_median", "row"], ascending=[False, False, True]).head(SHOWN)
    sentence = (
        f"The threshold rule of the thesis finds more than one region in {len(flagged):,} of "
        f"{count(len(tables.objects), 'cutout')}; here are those with most regions, of equal ones those of highest "
        "S/N. Whether each truly holds several objects is for the eye to say."
    )
    heading = "Flagged: more than one object in the cutout"
    remarks = tuple(f"{count(int(number), 'region')} above the threshold." for number in shown["regions"])
    return Group(
        "flagged", heading, sentence, _unpredicted(shown, list(map(pd.Series, shown.to_dict("records")))), remarks
    )


def _unpredicted(objects: pd.DataFrame, rows: list[pd.Series]) -> pd.DataFrame:
    chosen = pd.DataFrame(rows) if rows else objects.head(0)
    return chosen.assign(prediction=np.nan, low=np.nan, high=np.nan).reset_index(drop=True)


# ---- of the study ----


def _best_run(tables: GalleryTables) -> Row | None:
    """Return the row of metrics of the run that the report calls the best."""
    if tables.metrics is None or tables.tests is None:
        return None
    return lowest(tables.metrics[~tables.metrics["model"].isin(BASELINE_NAMES)], "validation_rmse")


def _of_run(tests: pd.DataFrame, run: Row, modality: str) -> pd.DataFrame:
    own = (tests["model"] == run["model"]) & (tests["modality"] == modality) & (tests["zoom"] == run["zoom"])
    return tests[own]


def _tested(tables: GalleryTables, run: Row) -> pd.DataFrame:
    """Return the run's test objects with ``prediction, low, high, error``."""
    if tables.tests is None:
        return pd.DataFrame()
    told = _of_run(tables.tests, run, run["modality"])[["row", "prediction", "low", "high"]]
    tested = tables.objects.merge(told, on="row")
    return tested.assign(error=tested["prediction"] - tested["avg"])


def _largest(tested: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Return the objects with the largest value, at most half of all."""
    order = (-by).sort_values(kind="stable").index
    return tested.loc[order[: min(SHOWN, len(tested) // 2)]]


def _well(tested: pd.DataFrame, best: Row, baselines: str) -> Group:
    shown = _largest(tested, -tested["error"].abs())
    sentences = [
        f"{OF_MODELS.capitalize()}, {describe(best)} has the lowest RMSE on the validation set.",
        *([baselines] if baselines else []),
        f"Of its {count(len(tested), 'test object')} these have the smallest difference between prediction and AVG.",
    ]
    return Group("best", "Best predicted", " ".join(sentences), shown)


def _badly(tested: pd.DataFrame, worst: pd.DataFrame, best: Row) -> Group:
    sentence = (
        f"Of the {count(len(tested), 'test object')} of {describe(best)} these have the largest difference. Beside "
        "each stands what is known of it that may matter, against all test objects; it is no proof of a cause."
    )
    return Group("worst", "Worst predicted", sentence, worst, facts_of(worst, tested))


def _missed(tested: pd.DataFrame, worst: pd.DataFrame, level: float | None) -> Group:
    half = (tested["high"] - tested["low"]) / 2
    outside = np.maximum(tested["low"] - tested["avg"], tested["avg"] - tested["high"])
    missed = outside > 0
    others = missed & ~tested["row"].isin(worst["row"])
    shown = tested.loc[(-outside / half)[others].sort_values(kind="stable").index[:SHOWN]]
    holds = f" that are to hold {percent(level)} of the objects" if level else ""
    beside = " beside the worst predicted" if (missed & ~others).any() else ""
    sentence = (
        f"{int(missed.sum()):,} of {count(int(half.notna().sum()), 'prediction interval')}{holds} do not hold AVG;"
        f"{beside} these miss it by most, in units of their own half-width."
    )
    return Group("missed", "Missed by their interval", sentence, shown, facts_of(shown, tested))


def _apart(tables: GalleryTables, tested: pd.DataFrame, best: Row, missed: Group, worst: pd.DataFrame) -> Group:
    """Return the objects on which images and spectra differ most, by the best run's model at its zoom."""
    heading = "Images and spectra disagree"
    if tables.tests is None:
        return Group("apart", heading, "", tested.head(0))
    photo, spectra = (
        _of_run(tables.tests, best, name).set_index("row")["prediction"].reindex(tested["row"])
        for name in ("photo", "spectra")
    )
    differ = tested.assign(photo=photo.to_numpy(), spectra=spectra.to_numpy())
    differ = differ[differ[["photo", "spectra"]].notna().all(axis=1)]
    differ = differ[~differ["row"].isin([*worst["row"], *missed.objects["row"]])]
    shown = _largest(differ, (differ["photo"] - differ["spectra"]).abs())
    sentence = (
        f"Test objects, beside those above, of which {model_name(best['model'])} at zoom {int(best['zoom'])} says most "
        f"different things {looks_at('photo')} and {looks_at('spectra')}."
    )
    remarks = tuple(
        f"From the images {row.photo:.2f}, from the spectra {row.spectra:.2f}.".replace("-", "\u2212")
        for row in shown.itertuples()
    )
    return Group("apart", heading, sentence, shown, remarks)


# ---- written ----


def write_gallery(
    groups: Sequence[Group],
    arrays: Path | str,
    page: Path | str,
    table: Path | str,
    images: Path | str,
    real: bool,
    record: Mapping[str, Any],
) -> None:
    """Draw the objects of the groups and write what the report shows of them.

    Parameters
    ----------
    arrays
        The sample's arrays of zoom 0, of which the rows of these objects are read and no others.
    page, table, images
        gallery.json, gallery.csv and the folder of the pictures, which lies beside them.
    real
        Whether the sky is, so that its objects have a page of the survey.
    record
        Provenance.
    """
    pages, rows = [], []
    images = Path(images)
    building = images.with_name(f".{images.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for group in groups:
        entries = []
        for place, (example, row) in enumerate(_read(arrays, group.objects), start=1):
            file = f"{group.key}_{place}_{name_of(row)}.png"
            draw_card(building / file, example)
            entry = _entry(example, row, group, place, f"{images.name}/{file}", real)
            entries.append(entry)
            known = {name: entry[name] for name in _COLUMNS if name in entry}
            rows.append({"group": group.key, "place": place, "p16": row["p16"], "p84": row["p84"], **known})
        pages.append({"key": group.key, "heading": group.heading, "sentence": group.sentence, "objects": entries})
    shutil.rmtree(images, ignore_errors=True)
    building.replace(images)
    write_table(table, pd.DataFrame(rows, columns=list(_COLUMNS)))
    write_json(page, {"groups": pages, "provenance": dict(record)})


def _read(arrays: Path | str, objects: pd.DataFrame) -> Iterator[tuple[Example, pd.Series]]:
    """Yield the objects as measured at zoom 0, and their rows."""
    found = load_rows(arrays, objects["row"].to_numpy(), "early")
    parts = (found.images, found.image_sigma, found.spectra, found.spectrum_sigma)
    images, image_sigma, spectra, sigma = (np.asarray(part) for part in parts)
    for place, (_, row) in enumerate(objects.iterrows()):
        measured = (images[place], image_sigma[place], spectra[place], sigma[place])
        yield Example(row, *measured, np.asarray(found.wl)), row


def _entry(example: Example, row: pd.Series, group: Group, place: int, image: str, real: bool) -> dict[str, Any]:
    remark = group.remarks[place - 1] if group.remarks else ""
    numbers = {"ra": "ra", "dec": "dec", "z": "z", "truth": "avg", "prediction": "prediction"}
    numbers |= {"low": "low", "high": "high"}
    return {
        "target_id": int(row["target_id"]),
        "row": int(row["row"]),
        "name": name_of(row),
        "title": title_of(row),
        "text": " ".join(filter(None, [text_of(row), remark])),
        **{name: float(row[key]) if np.isfinite(row[key]) else None for name, key in numbers.items()},
        "image": image,
        "alt": alternative(example),
        "link": survey_page(row["ra"], row["dec"]) if real else "",
    }
