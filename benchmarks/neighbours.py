"""How well are neighbours found, and what is left of the central source without them? Simulated cutouts of known truth.

    python benchmarks/neighbours.py

Galaxies as the simulated sky has them, each with a neighbour of given brightness and distance, or none: the share that
the thesis's threshold and real segmentation find, and the central galaxy's flux in r before and after its neighbour is
taken out, against the flux of the same galaxy alone. A true sigma gives pulls of mean 0 and standard deviation 1.
"""

import argparse
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "workflow" / "scripts"), str(REPO / "tests")]

import numpy as np
from simulated_scenes import Scenes, make_scenes

from hiss.config.sample import MultiObject
from hiss.sample.multi import count_regions
from hiss.sample.neighbours import Masks, take_out
from hiss.sample.segmentation import Scene, Segmentation, find_sources, in_noise_units

CONFIG = MultiObject()
FAINTER = (0, 1, 2, 3)  # magnitudes
SEPARATIONS = (3, 5, 8, 11)  # arcsec
R = 2  # band


def segment(scenes: Scenes) -> list[Scene]:
    """Return what each cutout shows."""
    settings = Segmentation.of(CONFIG.segmentation.model_dump())
    return [find_sources(*one, settings) for one in zip(*in_noise_units(scenes.images, scenes.sigma, settings.band))]


def row(scenes: Scenes) -> str:
    """Return the cells of one line: found by each, and the flux before and after."""
    found = segment(scenes)
    has = np.array([len(scene.neighbours) > 0 for scene in found])
    flagged = (count_regions(scenes.images[:, R], CONFIG.threshold) > 1).mean()
    masks = Masks(np.stack([scene.mask for scene in found]), np.array([scene.centre for scene in found], np.float32))
    images, sigma = take_out(scenes.images, scenes.sigma, masks)
    true, before, after = (
        values[:, R].sum(axis=(1, 2), dtype=float)[has] for values in (scenes.alone, scenes.images, images)
    )
    if not has.any():
        return f"{flagged:.0%} | 0% | | | "
    pull = (after - true) / np.sqrt((sigma[:, R].astype(float) ** 2).sum(axis=(1, 2)))[has]
    bias = f"{np.median(before / true) - 1:+.1%} | {np.median(after / true) - 1:+.1%}"
    return f"{flagged:.0%} | {has.mean():.0%} | {bias} | {np.median(pull):+.2f}, {(np.abs(pull) < 3).mean():.0%}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=300, help="a line of the table")
    n = parser.parse_args().objects
    alone = make_scenes(4 * n, 1)
    start = time.process_time()
    found = segment(alone)
    per_cutout = (time.process_time() - start) / (4 * n)
    false = np.mean([len(scene.neighbours) > 0 for scene in found])
    flagged = (count_regions(alone.images[:, R], CONFIG.threshold) > 1).mean()
    print(f"{4 * n} galaxies alone: threshold {flagged:.1%}, segmentation {false:.1%} called several;")
    print(f"{1e3 * per_cutout:.1f} ms of a core a cutout\n")
    print("| neighbour | fainter by | at | threshold | segmentation | flux before | after | pull, within 3 |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, point in (("star", True), ("galaxy", False)):
        for fainter in FAINTER:
            for separation in SEPARATIONS:
                scenes = make_scenes(n, 100 * fainter + separation, fainter, separation, point)
                print(f'| {kind} | {fainter} mag | {separation}" | {row(scenes)} |', flush=True)


if __name__ == "__main__":
    main()
