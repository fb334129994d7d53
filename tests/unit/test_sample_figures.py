"""Figures of the sample's choices: what is counted and shown, and which variants are set beside each other."""

import h5py
import numpy as np
import pandas as pd
import pytest
from simulated_scenes import make_scenes

from hiss.config.sample import MultiObject, Sample
from hiss.plots.neighbours import chosen, compared, neighbours
from hiss.plots.sample_choices import choices_table, sample_choices
from hiss.plots.style import plt, save_figure
from hiss.sample.multi import find_multi_objects
from hiss.sample.segmentation import Segmentation
from hiss.sample.sources import find_neighbours

# ---- neighbours ----


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("found")
    scenes = make_scenes(40, 3, np.where(np.arange(40) % 2, 0.0, 9.0), 8)
    with h5py.File(folder / "zoom0.h5", "w") as file:
        file["images"], file["image_sigma"] = scenes.images, scenes.sigma
        file["spectra"], file["target_id"] = np.zeros((40, 4)), np.arange(40)
    settings = Segmentation.of(MultiObject().segmentation.model_dump())
    sources = find_neighbours(folder / "zoom0.h5", settings, folder / "neighbours.h5", {})
    return folder, find_multi_objects(folder / "zoom0.h5", 0.9, "r"), sources


def test_cutouts_are_counted_by_what_each_says(found):
    folder, multi, sources = found
    objects = pd.DataFrame({"target_id": np.arange(40) + 100})
    figure, counts = neighbours(folder / "zoom0.h5", folder / "neighbours.h5", objects, multi, sources, 0.9, "r")
    assert counts["cutouts"].sum() == 40
    assert counts["cutouts"].iloc[0] + counts["cutouts"].iloc[2] == 20, "segmentation makes no mistake here"
    assert counts["share"].sum() == pytest.approx(1)
    titles = " ".join(text.get_text() for part in figure.subfigs for text in part.texts)
    assert f"the threshold sees one object: {counts['cutouts'].iloc[1]} of 40 cutouts" in titles
    shown = [int(name) for name in counts["shown"].iloc[1].split()]
    assert len(shown) == 6
    assert all(target % 2 for target in shown)
    save_figure(figure, folder, "fig_neighbours", counts)
    assert (folder / "fig_neighbours.svg").stat().st_size > 10_000


def test_those_are_shown_of_which_the_one_that_sees_several_is_surest():
    multi = pd.DataFrame({"multi": [True] * 8 + [False], "n_regions": [2, 3, 9, 2, 5, 4, 8, 7, 1]})
    sources = pd.DataFrame({"multi": [False] * 8 + [True], "neighbour_flux_share": [0.0] * 8 + [0.3]})
    assert chosen(multi, sources, True, False).tolist() == [1, 2, 4, 5, 6, 7]
    assert chosen(multi, sources, False, True).tolist() == [8]
    counts = compared(multi, sources, pd.Series(np.arange(9) * 10))
    assert counts["cutouts"].tolist() == [0, 1, 8, 0]
    assert counts["shown"].tolist() == ["", "80", "10 20 40 50 60 70", ""]


def test_no_cutout_is_a_sentence(found):
    folder, multi, sources = found
    objects = pd.DataFrame({"target_id": np.arange(40)})
    nothing = [table.iloc[:0] for table in (objects, multi, sources)]
    figure, counts = neighbours(folder / "zoom0.h5", folder / "neighbours.h5", *nothing, 0.9, "r")
    assert "there is no cutout" in figure.axes[0].texts[0].get_text().replace("\n", " ")
    assert counts["cutouts"].tolist() == [0] * 4
    plt.close(figure)


# ---- choices ----

CHOICES = Sample().choices()


def variant(name, sample, delta=0.01, **other):
    row = {
        "variant": name, "changed": f"sample {sample}", "model": "lightgbm", "base": "early", "modality": "early",
        "zoom": 3, "sample": sample, "n_train": 120, "n_common": 50, "delta_rmse": delta, "low": delta - 0.02,
        "high": delta + 0.02, "rmse_study": 0.3, "path_study": "runs/a",
    }  # fmt: skip
    return row | other


RUNS = pd.DataFrame({"path": ["runs/a", "runs/b"], "n_train": [100, 90]})


def test_only_choices_about_neighbours_or_gaps_alone_are_set_beside_each_other():
    table = pd.DataFrame(
        [
            variant("kept", "multi_kept"),
            variant("segmented", "segmented"),
            variant("masked", "neighbours_masked"),
            variant("bridged", "gaps_interpolated"),
            variant("left", "gaps_masked"),
            variant("any", "any_flag"),
            variant("rest", "gaps_masked", changed="sample gaps_masked; spectra at rest", modality="early_rest"),
            variant("few", "flag0", changed="at most 20 training objects"),
        ]
    )
    found = choices_table(table, RUNS, CHOICES, "flag0")
    assert found["choice"].tolist() == [
        "keep",
        "reject (segmentation)",
        "mask the neighbours",
        "interpolate short ones",
        "leave short ones to the model",
    ]
    assert found["question"].tolist() == ["neighbours"] * 3 + ["gaps"] * 2
    assert set(found["n_train_study"]) == {100}


def test_a_choice_is_drawn_with_what_it_gains_in_objects():
    table = pd.DataFrame(
        [
            variant("kept", "multi_kept", modality="photo", base="photo"),
            variant("masked", "neighbours_masked", -0.05),
            variant("left", "gaps_masked"),
        ]
    )
    figure, _ = sample_choices(table, RUNS, CHOICES, "flag0")
    labels = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    assert labels[0] == "mask the neighbours\nLightGBM, zoom 3 (+20)"
    assert len(labels) == 3
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Several objects in the cutout\nzero: reject (threshold)", "Gaps in the spectrum\nzero: reject"]
    plt.close(figure)


def test_a_study_without_such_variants_says_so():
    table = pd.DataFrame([variant("any", "any_flag")])
    figure, found = sample_choices(table, RUNS, CHOICES, "flag0")
    assert found.empty
    assert "No variant of this study" in figure.axes[0].texts[0].get_text()
    plt.close(figure)
