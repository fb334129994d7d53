"""Structure without labels: found, compared between zooms, said, drawn; and switched off."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_sky import KINDS, OPTIONS, make_sky

from hiss.config.side import SideStudies, Structure
from hiss.files import write_json
from hiss.plots.draw_structure import draw_structure
from hiss.report.page import load_figures
from hiss.report.structure import StructureTables, structure_section
from hiss.sample.arrays import load_rows
from hiss.sample.export import link_zoom, targets_table
from hiss.sample.usable import missing_flux
from hiss.structure import embed
from hiss.structure.collect import outliers_table, scores_table, survival_table
from hiss.structure.explore import explore, known_of
from hiss.structure.objects import choose_objects
from hiss.structure.survival import procrustes_likeness, rv_coefficient, survival
from hiss.structure.words import MEANING, sentences

MODALITIES = ("photo", "spectra", "early")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The made-up sky explored: numbers, places, objects."""
    sky = make_sky(tmp_path_factory.mktemp("sky"))
    objects = pd.read_parquet(sky / "objects.parquet")
    places, numbers = {}, []
    for modality in MODALITIES:
        for zoom in (0, 3):
            table, told = explore(sky / f"zoom{zoom}.h5", objects, modality, zoom, OPTIONS)
            places[modality, zoom] = table
            numbers.append(told)
    return numbers, places, objects


def score(numbers, modality, zoom, measure, space):
    (own,) = [each for each in numbers if (each["modality"], each["zoom"]) == (modality, zoom)]
    (row,) = [row for row in own["scores"] if (row["measure"], row["space"]) == (measure, space)]
    return row


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("zoom", [0, 3])
def test_kinds_that_stand_apart_are_found(found, modality, zoom):
    numbers, places, objects = found
    assert score(numbers, modality, zoom, "clusters", "kmeans")["value"] == 3
    assert score(numbers, modality, zoom, "ari_class", "kmeans")["value"] > 0.95
    assert score(numbers, modality, zoom, "purity", "pca")["value"] > 0.95
    assert score(numbers, modality, zoom, "purity", "tsne")["value"] > 0.95
    table = places[modality, zoom]
    assert table["target_id"].tolist() == objects["target_id"].tolist()
    assert not table.drop(columns="reason").isna().any().any()
    own = next(each for each in numbers if (each["modality"], each["zoom"]) == (modality, zoom))
    assert 0 < sum(own["explained"]) <= 1 + 1e-6
    assert own["seconds"]["tsne"] > 0
    json.dumps(numbers, allow_nan=False)


def test_what_only_the_spectra_tell_is_told_by_the_spectra_alone(found):
    numbers, *_ = found
    assert score(numbers, "spectra", 0, "told_log_sfr", "pca")["low"] > 0.5
    assert score(numbers, "photo", 0, "told_log_sfr", "pca")["low"] < 0.1
    (row,) = [row for row in numbers[0]["scores"] if (row["measure"], row["space"]) == ("told_z", "pca")]
    assert row["value"] is None  # all galaxies are at one redshift: no variance to explain


def test_the_odd_object_is_found_and_its_line_named(found):
    _, places, objects = found
    table = outliers_table(places, objects, 3)
    assert table.groupby("modality").size().to_dict() == dict.fromkeys(MODALITIES, 3)
    first = table[(table["modality"] == "spectra") & (table["rank"] == 1)].iloc[0]
    assert first["target_id"] == 0
    assert "near H-alpha" in first["reason"]
    assert (places["spectra", 0]["reason"] != "").sum() == 3


def test_the_same_sky_gives_the_same_places(found, tmp_path):
    _, places, objects = found
    make_sky(tmp_path, zooms=(3,), seed=1)  # another file, other zooms: noise is drawn anew
    one, _ = explore(tmp_path / "zoom3.h5", objects, "early", 3, OPTIONS)
    two, _ = explore(tmp_path / "zoom3.h5", objects, "early", 3, OPTIONS)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert not one["pc_1"].equals(places["early", 3]["pc_1"])


def test_identical_zooms_keep_everything_and_unrelated_ones_nothing(found):
    _, places, objects = found
    known = known_of(objects, OPTIONS.min_class)
    table = places["spectra", 0]
    same = survival({0: table, 2: table}, known, OPTIONS).set_index(["measure", "space"])
    for measure, space in (
        ("neighbours", "pca"), ("neighbours", "tsne"), ("rv", "pca"), ("procrustes", "pca"), ("trustworthiness", "pca"),
        ("ari_zooms", "kmeans"), ("ari_zooms", "hdbscan"),
    ):  # fmt: skip
        assert same.loc[(measure, space), "value"] == pytest.approx(1), measure
    for measure in ("change_purity", "change_told_log_sfr"):
        assert same.loc[(measure, "pca"), ["value", "low", "high"]].tolist() == [0, 0, 0]
    rng = np.random.default_rng(1)
    columns = [name for name in table if name not in ("target_id", "reason")]
    shuffled = table.assign(**{name: table[name].to_numpy()[order] for order in [rng.permutation(len(table))]
                               for name in columns})  # fmt: skip
    lost = survival({0: table, 2: shuffled}, known, OPTIONS).set_index(["measure", "space"])
    for measure, space in (("neighbours", "pca"), ("rv", "pca"), ("ari_zooms", "kmeans")):
        assert lost.loc[(measure, space), "value"] == pytest.approx(lost.loc[(measure, space), "chance"], abs=0.05)
    assert lost.loc[("change_purity", "pca"), "high"] < 0


def test_likeness_of_components_does_not_see_a_turn_or_a_scale():
    rng = np.random.default_rng(2)
    points = rng.normal(0, [3, 2, 1], (50, 3))
    turn, _ = np.linalg.qr(rng.normal(0, 1, (3, 3)))
    for likeness in (rv_coefficient, procrustes_likeness):
        assert likeness(points, 5 * points @ turn + 7) == pytest.approx(1)
        assert likeness(points, rng.normal(0, 1, (50, 3))) < 0.3


def test_what_components_leave_over_is_not_learned_from_the_object_itself():
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.01, (80, 30)).astype(np.float32)
    values[7] += 5
    left = embed.residuals(values, 3, seed=1)
    assert (left[7] ** 2).sum() == pytest.approx((values[7] ** 2).sum(), rel=0.1)


def test_umap_is_used_where_it_is_installed(found, tmp_path, monkeypatch):
    class Plain:
        """A stand-in for umap-learn: as it is called, without its embedding."""

        def __init__(self, n_neighbors, random_state, n_jobs):
            assert (n_neighbors, random_state, n_jobs) == (5, 1, 1)

        def fit_transform(self, scores):
            return scores[:, :2]

    monkeypatch.setattr(embed, "find_spec", lambda name: name == "umap")
    monkeypatch.setattr(embed, "import_module", lambda name: type("umap", (), {"UMAP": Plain}))
    sky = make_sky(tmp_path, zooms=(3,))
    table, numbers = explore(sky / "zoom3.h5", found[2], "spectra", 3, OPTIONS)
    assert {"umap_1", "umap_2"} <= set(table)
    assert numbers["umap"]
    assert score([numbers], "spectra", 3, "purity", "umap")["value"] > 0.9


# ---- said and drawn ----


def counts_of(objects):
    return {"targets": len(objects) + 10, "whole": len(objects) + 5, "usable": len(objects), "chosen": len(objects)}


def test_sentences_answer_whether_structure_survives(found):
    numbers, places, objects = found
    left = survival_table(places, objects, OPTIONS)
    said = sentences(numbers, left, objects, counts_of(objects), OPTIONS)
    assert said[0].startswith("Does the structure without labels survive the coarser zooms? The images keep their")
    assert "; the spectra keep their structure; images and spectra together " in said[0]
    assert said[1].startswith("90 of the 100 objects of the cube have a whole cutout")
    assert said[1].endswith("30 galaxies, 30 quasars, 30 stars.")
    assert sum(sentence.startswith("The spectra keep their structure") for sentence in said) == 1
    assert any("umap-learn" in sentence for sentence in said)
    lost = left.copy()
    lost.loc[lost["measure"] == "change_purity", ["value", "low", "high"]] = [-0.2, -0.3, -0.1]
    part = " ".join(sentences(numbers, lost, objects, counts_of(objects), OPTIONS))
    assert "The images keep their structure in part down to zoom 3, where the neighbours tell less of the class" in part
    lost.loc[lost["measure"] == "neighbours", ["value", "low", "high"]] = [0.0, 0.0, 0.01]
    assert any("do not keep" in sentence for sentence in sentences(numbers, lost, objects, counts_of(objects), OPTIONS))


def test_a_class_of_few_objects_is_in_no_score(found, tmp_path):
    sky = make_sky(tmp_path, zooms=(0, 3))
    few = replace(OPTIONS, min_class=31)
    objects = found[2]
    told = {zoom: explore(sky / f"zoom{zoom}.h5", objects, "photo", zoom, few) for zoom in (0, 3)}
    numbers = [numbers for _, numbers in told.values()]
    assert not [row for row in numbers[0]["scores"] if row["measure"] in ("ari_class", "homogeneity", "purity")]
    left = survival_table({("photo", zoom): table for zoom, (table, _) in told.items()}, objects, few)
    assert "change_purity" not in set(left["measure"])
    said = " ".join(sentences(numbers, left, objects, counts_of(objects), few))
    assert "Fewer than 31 objects are of class " in said
    assert "no two classes to score" in said


def test_few_objects_are_said_to_be_few(small_cube, tmp_path):
    dense = small_cube("full") / "dense.h5"
    link_zoom(dense, 0, tmp_path / "zoom0.h5", relative=True)
    objects, counts = choose_objects(targets_table(dense), missing_flux(tmp_path / "zoom0.h5"), 0.02, 50, 1)
    assert 0 < len(objects) < 20
    table, numbers = explore(tmp_path / "zoom0.h5", objects, "photo", 0, OPTIONS)
    assert table.empty
    places = {("photo", 0): table}
    left, odd = survival_table(places, objects, OPTIONS), outliers_table(places, objects, 3)
    said = sentences([numbers], left, objects, counts, OPTIONS)
    assert said[1] == "That is too few to look for structure: 20 are needed."
    tables = {"objects": objects, "scores": scores_table([numbers]), "survival": left, "outliers": odd}
    draw_structure(tmp_path / "figures", dense, places, tables, 3)
    assert (tmp_path / "figures" / "fig_structure_photo.svg").exists()
    answers = {"sentences": said, "meaning": list(MEANING)}
    section = structure_section(StructureTables(answers, tables["scores"], left, odd), {})
    assert not section.tables


@pytest.fixture(scope="module")
def drawn(found, small_cube, tmp_path_factory):
    numbers, places, objects = found
    tables = {
        "objects": objects,
        "scores": scores_table(numbers),
        "survival": survival_table(places, objects, OPTIONS),
        "outliers": outliers_table(places, objects, 3).assign(target_id=lambda table: table["target_id"] % 17),
    }
    folder = tmp_path_factory.mktemp("figures")
    draw_structure(folder, small_cube("full") / "dense.h5", places, tables, 4)
    return folder, tables


def test_figures_hold_what_was_found(drawn, found, repo):
    folder, _ = drawn
    names = {path.stem for path in folder.glob("*.svg")}
    assert names == {*(f"fig_structure_{name}" for name in MODALITIES), "fig_structure_scores", "fig_outliers"}
    data = pd.read_csv(folder / "fig_structure_photo.csv")
    assert len(data) == 2 * 90
    assert {"tsne_1", "pc_1", "class", "z", "log_sfr", "kmeans", "hdbscan"} <= set(data)
    assert set(data["class"]) == set(KINDS)
    assert set(pd.read_csv(folder / "fig_structure_scores.csv")["measure"]) >= {"neighbours", "ari_class", "purity"}
    assert len(pd.read_csv(folder / "fig_outliers.csv")) == 4
    figures = load_figures(sorted(folder.glob("*.svg")), (repo / "workflow" / "report").glob("fig_*.rst"))
    assert figures["fig_structure_photo"].title == "Structure without labels"
    assert figures["fig_structure_scores"].title != "Structure without labels"


def test_figures_are_the_same_bytes_each_time(drawn, found, small_cube, tmp_path):
    folder, tables = drawn
    draw_structure(tmp_path, small_cube("full") / "dense.h5", found[1], tables, 4)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_report_s_section_has_sentences_numbers_and_pictures(drawn, found, repo):
    folder, tables = drawn
    numbers, _, objects = found
    said = sentences(numbers, tables["survival"], objects, counts_of(objects), OPTIONS)
    figures = load_figures(sorted(folder.glob("*.svg")), (repo / "workflow" / "report").glob("fig_*.rst"))
    own = StructureTables({"sentences": said, "meaning": list(MEANING)}, *(tables[name] for name in
                          ("scores", "survival", "outliers")))  # fmt: skip
    section = structure_section(own, figures)
    assert [figure.name for figure in section.figures] == [
        "fig_structure_scores", *(f"fig_structure_{name}" for name in MODALITIES), "fig_outliers",
    ]  # fmt: skip
    assert section.paragraphs[: len(said)] == said
    survived, scored, cost, odd = section.tables
    assert len(survived.rows) == 3
    assert len(scored.rows) == len(cost.rows) == 6
    assert len(odd.rows) == 9
    assert all(len(row) == len(table.columns) for table in section.tables for row in table.rows)


# ---- files and config ----


def test_links_to_the_targets_move_with_the_results(small_cube, tmp_path):
    (tmp_path / "a" / "targets").mkdir(parents=True)
    shutil.copytree(small_cube("full"), tmp_path / "a" / "cube")
    link_zoom(tmp_path / "a/cube/dense.h5", 3, tmp_path / "a/targets/zoom3.h5", {"made": "here"}, relative=True)
    (tmp_path / "a").rename(tmp_path / "b")
    found = load_rows(tmp_path / "b/targets/zoom3.h5", [0, 5], "early")
    assert np.isfinite(found.images).all()
    assert found.images.shape == (2, 5, 8, 8)


def test_the_study_can_be_switched_off_and_names_each_zoom_once(tmp_path):
    assert SideStudies.model_validate({"structure": None}).structure is None
    assert SideStudies().structure == Structure()
    with pytest.raises(ValueError, match="a value stands twice"):
        Structure(zooms=[0, 0])
    options = Structure().options()
    write_json(tmp_path / "options.json", options)
    assert set(options) == set(OPTIONS.__dataclass_fields__)
