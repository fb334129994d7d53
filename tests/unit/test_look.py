"""A look at any object of a cube: it is found, drawn with what was not measured in sight, and told of in words."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

import hiss.cube
from hiss.bands import BAND_INDEX, BAND_WAVELENGTH
from hiss.cube.layout import ZOOMS
from hiss.errors import HissError
from hiss.files import write_table
from hiss.plots import look
from hiss.plots.colour import colour_composite
from hiss.plots.example import Example, example_object, gap_edges, lines_within, name_of
from hiss.plots.style import YELLOW, plt
from hiss.spectral_lines import SPECTRAL_LINES

GALAXY = "703-52209-193"


@pytest.fixture(scope="module")
def cube(small_cube):
    with hiss.cube.open(small_cube("full") / "hiss_cube.h5") as opened:
        yield opened


def made_example(seed: int = 1, side: int = 64, samples: int = 4620, **target: object) -> Example:
    rng = np.random.default_rng(seed)
    row = {"target_id": 3, "ra": 10.0, "dec": -1.0, "plate": 266, "mjd": 51630, "fiber": 7, "z": 0.1, "class": "GALAXY"}
    row |= {"subclass": "", "objid": 10**18, "sn_median": 8.0, "avg": 0.3, "p16": 0.1, "p84": 0.5, "flag": 0.0}
    images = rng.normal(0, 0.1, (5, side, side)).astype("f4")
    images[:, side // 2, side // 2] += 5
    spectrum = rng.normal(10, 1, samples).astype("f4")
    wl = np.geomspace(3840, 8914, samples)
    return Example(
        pd.Series(row | target), images, np.full_like(images, 0.1), spectrum, np.full_like(spectrum, 1.0), wl
    )


# ---- which object ----


@pytest.mark.parametrize("name", [GALAXY, "0703-52209-0193", "spec-0703-52209-0193.fits", f" {GALAXY}\n"])
def test_an_object_is_found_by_the_name_of_its_spectrum(cube, name):
    target = look.find_by_name(cube, name)
    assert name_of(pd.Series(target.info)) == GALAXY
    assert look.find_by_id(cube, target.row).row == target.row


def test_each_spectrum_of_a_target_leads_to_it(cube):
    several = cube.targets[cube.targets.column("n_spectra") > 1]
    assert len(several)
    for single in several[0].observations:
        name = "-".join(str(single.info[key]) for key in ("plate", "mjd", "fiber"))
        assert look.find_by_name(cube, name).row == several[0].row


def test_a_wrong_name_is_answered_with_the_nearest(cube):
    fibers = np.sort(cube.targets.column("fiber")[cube.targets.column("plate") == 703])
    below = [f"703-52209-{fiber}" for fiber in fibers if fiber <= 193]
    missing = next(fiber for fiber in range(2, 193) if fiber not in fibers and fiber - 1 in fibers)
    with pytest.raises(HissError, match=rf"is none of the {len(cube.targets)} targets.*nearest are") as caught:
        look.find_by_name(cube, f"703-52209-{missing}")
    named = str(caught.value).rpartition("nearest are ")[2].split(", ")
    assert len(named) == 5
    assert f"703-52209-{missing - 1}" in named
    assert set(named) & set(below)
    with pytest.raises(HissError, match="'a galaxy' is not the name of a spectrum; give plate-mjd-fiber, such as"):
        look.find_by_name(cube, "a galaxy")
    with pytest.raises(HissError, match=r"the nearest are \d+-"):
        look.find_by_name(cube, f"{10**17}-1-1")
    with pytest.raises(HissError, match="is not the name of a spectrum"):
        look.find_by_name(cube, f"{2**64}-1-1")
    with pytest.raises(HissError, match=rf"its {len(cube.targets)} targets are numbered from 0"):
        look.find_by_id(cube, len(cube.targets))


def test_a_config_that_is_not_there_is_told(tmp_path):
    with pytest.raises(HissError, match=r"no_such\.yaml: there is no such config; name one with --config"):
        look.cube_of_config(tmp_path / "no_such.yaml")
    for text, match in (("a: [", "no config .*; name another"), ("- a\n", "which has keys and values")):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(HissError, match=match):
            look.cube_of_config(tmp_path / "bad.yaml")
    (tmp_path / "good.yaml").write_text("results: results/mine\n")
    assert look.cube_of_config(tmp_path / "good.yaml").as_posix() == "results/mine/cube/hiss_cube.h5"


def test_a_spectrum_that_was_set_aside_says_why(cube, tmp_path):
    paths = ["spectra/spec-0266-51630-0033.fits", "spectra/spec-0266-51630-0333.fits"]
    reasons = ["cutout not whole", "another"]
    write_table(tmp_path / "rejects.parquet", pd.DataFrame({"kind": "spectrum", "path": paths, "reason": reasons}))
    with pytest.raises(HissError, match=r"of this cube \(its spectrum was set aside: cutout not whole\); the nearest"):
        look.find_by_name(cube, "266-51630-33", tmp_path / "rejects.parquet")
    with pytest.raises(HissError, match="targets of this cube; the nearest"):
        look.find_by_name(cube, "266-51630-34", tmp_path / "rejects.parquet")


def test_the_nearest_to_a_place_is_drawn_and_the_others_listed_by_distance(cube):
    target = look.find_by_name(cube, GALAXY)
    ra, dec = target.info["ra"], target.info["dec"]
    nearest, near = look.find_by_place(cube, ra + 1e-5, dec, 0.3)
    assert nearest.row == near.rows[0] == target.row
    away = np.hypot((near.column("ra") - ra) * np.cos(np.radians(dec)), near.column("dec") - dec)
    assert len(near) > 2
    assert (np.diff(away) > -3e-5).all()
    with pytest.raises(HissError, match=r"none of the .* is within 0.1 deg of RA 200, Dec 5; the nearest, .* deg away"):
        look.find_by_place(cube, 200, 5, 0.1)


def test_without_a_name_each_class_shows_those_of_highest_signal(cube):
    table = look.some_targets(cube.targets)
    every = look.listed(cube.targets)
    for kind, most in (("GALAXY", 8), ("QSO", 2), ("STAR", 2)):
        best = every.loc[every["class"] == kind, "S/N"].sort_values(ascending=False).head(most)
        assert table.loc[table["class"] == kind, "S/N"].tolist() == best.tolist()
    assert set(table["class"]) == set(every["class"])


# ---- its picture ----


def test_a_look_is_what_the_cube_holds_at_every_zoom(cube):
    target = look.find_by_name(cube, GALAXY)
    for zoom in ZOOMS:
        example = look.example_of_target(target, zoom)
        assert example.images.shape == (5, 64 >> zoom, 64 >> zoom)
        np.testing.assert_array_equal(example.images, target.cutout(zoom).flux.value)
        np.testing.assert_array_equal(example.spectrum_sigma, target.spectrum(zoom).sigma.value)
        assert example.wl.shape == example.spectrum.shape == (4620 >> zoom,)
        figure = look.look_at(example, colour=True)
        assert [axes.get_title() for axes in figure.axes[:6]] == ["u", "g", "r", "i", "z", "g r i"]
        plt.close(figure)


def test_what_was_not_measured_is_yellow():
    example = made_example()
    figure, _ = example_object(example, colour_composite(example.images, example.image_sigma))
    assert "not measured" not in [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert not [axes for axes in figure.axes if axes.patch.get_hatch()]
    example.images[2, :4, :9] = np.nan
    example.spectrum[100:140] = np.nan
    figure, _ = example_object(example, colour_composite(example.images, example.image_sigma))
    hatched = [axes.get_title() for axes in figure.axes if axes.patch.get_hatch()]
    assert hatched == ["r", "g r i"]
    drawn = [patch for patch in figure.axes[-1].patches if patch.get_facecolor() == to_rgba(YELLOW)]
    assert len(drawn) == 1
    edges = drawn[0].get_bbox()
    assert example.wl[99] < edges.x0 < example.wl[100]
    assert example.wl[139] < edges.x1 < example.wl[140]
    assert "not measured" in [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    yellow = np.abs(pixels.astype(int) - (np.array(to_rgba(YELLOW)[:3]) * 255).round()).max(axis=2) <= 1
    assert yellow.sum() > 300
    plt.close("all")


def test_an_object_without_a_single_value_is_drawn():
    example = made_example(z=np.nan, avg=np.nan)
    for values in (example.images, example.image_sigma, example.spectrum, example.spectrum_sigma):
        values[:] = np.nan
    figure = look.look_at(example, colour=True)
    assert "no valid flux" in figure.axes[-1].texts[0].get_text()
    figure.draw_without_rendering()
    plt.close(figure)
    assert "4620 of 4620 samples not measured" in "\n".join(look.facts(example))


def test_gaps_are_found_by_their_first_and_last_sample():
    known = np.array([False, True, True, False, False, True, False])
    assert gap_edges(known).tolist() == [[0, 1], [3, 5], [6, 7]]
    assert gap_edges(np.ones(3, bool)).tolist() == []
    assert gap_edges(np.zeros(3, bool)).tolist() == [[0, 3]]


def test_lines_are_where_the_redshift_puts_them_and_a_star_has_no_nebula():
    found = dict(lines_within(made_example(z=0.1).target, 3840, 8914))
    assert found == {line.label: pytest.approx(line.wavelength * 1.1) for line in SPECTRAL_LINES}
    star = dict(lines_within(made_example(z=0.0, **{"class": "STAR"}).target, 3840, 8914))
    assert set(star) == {line.label for line in SPECTRAL_LINES if not line.nebular}
    assert len(lines_within(made_example(z=np.nan).target, 6000, 6600)) == 1


@pytest.mark.parametrize("suffix", look.SUFFIXES)
def test_the_same_look_has_the_same_bytes(suffix, tmp_path):
    paths = [tmp_path / f"{name}{suffix}" for name in ("one", "two")]
    for path in paths:
        look.write_picture(path, look.look_at(made_example(), colour=True))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert not plt.get_fignums()


# ---- colour ----


def coloured(spectral_index: float, sigma: float = 0.01) -> np.ndarray:
    """A composite of a round source whose flux per wavelength is a power of the wavelength."""
    y, x = np.mgrid[:64, :64] - 31.5
    profile = np.exp(-np.hypot(x, y) / 5)
    band = (BAND_WAVELENGTH / BAND_WAVELENGTH[BAND_INDEX["r"]]) ** spectral_index
    noise = np.random.default_rng(1).normal(0, sigma, (5, 64, 64))
    return colour_composite(profile * band[:, None, None] + noise, np.full((5, 64, 64), sigma))


def test_a_source_has_its_colour():
    red, blue = (coloured(index)[28:36, 28:36, :3].mean(axis=(0, 1)) for index in (2, -3))
    assert red[0] > 1.2 * red[2]
    assert blue[2] > 1.2 * blue[0]
    white = coloured(-0.5)[28:36, 28:36, :3].mean(axis=(0, 1))  # the weights are the root of the wavelength
    assert np.ptp(white) < 0.05 * white.mean()


def test_colour_does_not_depend_on_the_unit_and_the_sky_is_dark():
    image = coloured(0)
    assert (image[..., 3] == 255).all()
    assert image[:8, :8, :3].mean() < 0.3 * image[30:34, 30:34, :3].mean()
    example = made_example()
    one = colour_composite(example.images, example.image_sigma)
    other = colour_composite(example.images * np.float32(1024), example.image_sigma * np.float32(1024))
    assert np.abs(one.astype(int) - other).max() <= 1


def test_where_a_band_is_missing_there_is_no_colour():
    images, sigma = np.ones((5, 8, 8)), np.full((5, 8, 8), np.nan)
    images[BAND_INDEX["r"], 0, 0] = images[BAND_INDEX["u"], 3, 3] = np.nan
    opacity = colour_composite(images, sigma)[..., 3]
    assert opacity[0, 0] == 0
    assert opacity.sum() == 63 * 255, "u is not one of the three"
    images[BAND_INDEX["g"]] = np.nan
    assert not colour_composite(images, sigma).any()


# ---- the program ----


def run(repo: Path, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    script = repo / "workflow" / "scripts" / "look.py"
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_program_draws_says_where_and_tells_what_it_is(repo, small_cube, cube, tmp_path):
    path = small_cube("full") / "hiss_cube.h5"
    done = run(repo, GALAXY, "--cube", path, "--zoom", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "results" / "look" / f"{GALAXY}_zoom1.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert done.stdout.splitlines()[-1] == f"results/look/{GALAXY}_zoom1.png"
    info = look.find_by_name(cube, GALAXY).info
    assert f"z = {info['z']:.5f}" in done.stdout
    assert "of 2310 samples not measured" in done.stdout
    cone = run(repo, "--cone", info["ra"], info["dec"], 0.02, "--cube", path, "--out", tmp_path / "near.svg")
    assert GALAXY in cone.stdout.splitlines()[2]
    assert (tmp_path / "near.svg").stat().st_size > 10_000
    some = run(repo, "--cube", path)
    assert "name one: make look TARGET=<name>" in some.stdout


def test_the_program_ends_with_one_sentence(repo, small_cube, tmp_path):
    path = small_cube("full") / "hiss_cube.h5"
    for arguments, sentence in (
        (["1-2-3", "--cube", path], "error: 1-2-3 is none of the "),
        (["--id", 0, "--cube", path, "--out", "look.gif"], "error: look.gif: a picture is written as .png, .svg, .pdf"),
        (["--id", 0, "--config", repo / "config" / "demo.yaml"], "error: results/demo/cube/hiss_cube.h5: there is no"),
        (["--cube", path.with_name("sparse.h5")], "has no /dense_cube/targets; open hiss_cube.h5"),
    ):
        done = run(repo, *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
