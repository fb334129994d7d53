"""Are the cube's uncertainties true? Residuals over sigma at every zoom, alone and stacked, drawn from known variance.

    python benchmarks/pulls.py

Frames are drawn electron by electron and spectra sample by sample here, by code that shares nothing with the cube's
error model. A pull is a residual over its sigma: a true sigma gives pulls of mean 0 and standard deviation 1. They are
shown over the true sigma, which only this program knows, and over the one the cube estimates from the same counts.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "workflow" / "scripts"))

import numpy as np

from hiss.cube.photometry import Calibration
from hiss.cube.rebin import rebin_spectra
from hiss.cube.stacking import spectrum_weights, stack
from hiss.cube.zoom import zoom_images
from hiss.sdss.frame import Frame

SIDE = 512  # of a frame [pixel]
FIBER = 3.0
CAMCOL, RUN = 3, 2820
WAVELENGTH = {"u": 3551.0, "g": 4686.0, "r": 6166.0, "i": 7480.0, "z": 8932.0}
GAIN = {"u": 1.59, "g": 3.845, "r": 4.72, "i": 4.86, "z": 4.885}  # of that camcol, SDSS data model
DARK = {"u": 8.7025, "g": 1.3225, "r": 1.3225, "i": 4.6225, "z": 1.0}
SKY = {"u": 21.6, "g": 73.2, "r": 136.9, "i": 185.9, "z": 98.9}  # counts, run 2820 field 122
PEAK = 60.0  # counts of the source
LOGLAM = np.arange(35805, 39640) / 1e4


@dataclass(frozen=True)
class Pulls:
    """Mean and standard deviation of the pulls at one zoom.

    Attributes
    ----------
    mean, std
        Over the true sigma.
    mean_estimated, std_estimated
        Over the sigma that the cube gives.
    """

    mean: float
    std: float
    mean_estimated: float
    std_estimated: float


def source() -> np.ndarray:
    """Return the noiseless counts of a smooth source, (512, 512)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.asarray(PEAK * np.exp(-((x - 250) ** 2 + (y - 260) ** 2) / (2 * 90.0**2)))


def columns(level: float) -> np.ndarray:
    """Return nanomaggies a count of each column, (512,)."""
    return level * (1 + 0.1 * np.linspace(-1, 1, SIDE))


def to_flux(band: str) -> float:
    """Return 1e-17 erg s-1 cm-2 Angstrom-1 in a fibre of 3 arcsec for a nanomaggy in a pixel of 0.396 arcsec."""
    return 3.631e-29 * 2.99792458e18 / WAVELENGTH[band] ** 2 / 1e-17 * math.pi * 1.5**2 / 0.396**2


def observe(band: str, rng: np.random.Generator, sky: float = 1.0, level: float = 0.01) -> tuple[Frame, np.ndarray]:
    """Return a frame of the source and the true sigma of its pixels' flux: Poisson electrons and Gaussian dark noise.

    Parameters
    ----------
    sky
        Of the night, in units of the usual one.
    level
        Nanomaggies a count.
    """
    per_count = columns(level)
    coarse = SKY[band] * sky * (1 + 0.1 * np.linspace(-1, 1, 64))[None, :] * np.ones((64, 1))
    positions = (np.arange(SIDE) + 0.5) / 8 - 0.5
    background = np.interp(positions, np.arange(64), coarse[0])[None, :]
    expected = background + source() * 0.01 / level
    counts = rng.poisson(expected * GAIN[band]) / GAIN[band] + rng.normal(0, np.sqrt(DARK[band]), expected.shape)
    sigma = np.sqrt(expected / GAIN[band] + DARK[band]) * per_count * to_flux(band)
    frame = Frame(
        path=Path("frame"),
        run=RUN,
        camcol=CAMCOL,
        field=1,
        band=band,
        image=((counts - background) * per_count).astype(np.float32),
        calibration=per_count.astype(np.float32),
        sky=coarse.astype(np.float32),
        x_interp=positions.astype(np.float32),
        y_interp=positions.astype(np.float32),
        header={},
        tai=0.0,
    )
    return frame, sigma


def calibrate(frame: Frame) -> tuple[np.ndarray, np.ndarray, float]:
    """Return flux and sigma of a frame's pixels and sigma of its background, as the cube makes them."""
    calibration = Calibration(frame, FIBER)
    flux, sigma = (np.empty(frame.image.shape, np.float32) for _ in range(2))
    calibration.block(slice(None), slice(None), flux, sigma)
    return flux, sigma, calibration.background


def blocks(array: np.ndarray, zoom: int) -> np.ndarray:
    """Return an image cut into blocks, (ny, side, nx, side)."""
    side = 2**zoom
    return array.reshape(SIDE // side, side, SIDE // side, side)


def image_pulls(band: str, epochs: int, repeats: int, seed: int, own_counts: bool = False) -> list[Pulls]:
    """Return the pulls of images at every zoom, each the stack of epochs of unlike sky and depth.

    Parameters
    ----------
    repeats
        Stacks that are drawn.
    own_counts
        Weights made of each pixel's own counts, 1 / sigma^2, in place of the cube's.
    """
    rng = np.random.default_rng(seed)
    truth = source() * columns(0.01) * to_flux(band)
    found: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(4)]
    for _ in range(repeats):
        drawn = [observe(band, rng, 1 + 0.6 * (epoch % 3), 0.01 * (1 + epoch % 2)) for epoch in range(epochs)]
        flux, estimated, level = zip(*(calibrate(frame) for frame, _ in drawn))
        values, sigmas, true = np.stack(flux), np.stack(estimated), np.stack([sigma for _, sigma in drawn])
        weights = np.array(level) ** -2.0
        spread = np.sqrt(np.tensordot(weights**2, true**2, 1)) / weights.sum()
        if own_counts:
            own = sigmas.astype(np.float64) ** -2
            mean, error = (own * values).sum(axis=0) / own.sum(axis=0), own.sum(axis=0) ** -0.5
        else:
            mean, error = (part[0] for part in stack(values[:, None], sigmas[:, None], weights[:, None])[:2])
        for zoom, (coarse, sigma) in enumerate(zoom_images(mean, error)):
            residual = coarse - blocks(truth, zoom).mean(axis=(1, 3))
            exact = np.sqrt(blocks(spread**2, zoom).sum(axis=(1, 3))) / 4**zoom
            found[zoom].append((residual / exact, residual / sigma))
    return [_summary(parts) for parts in found]


def draw_spectra(n: int, rng: np.random.Generator, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the true flux and sigma of native samples, and n spectra with that noise."""
    wavelength = 10**LOGLAM
    truth = 10 + 5 * np.sin(wavelength / 300)
    sigma = level * (1 + 0.5 * np.cos(wavelength / 500 + level))
    return truth, sigma, truth + rng.normal(0, 1, (n, len(truth))) * sigma


def spectrum_pulls(epochs: int, repeats: int, seed: int) -> list[Pulls]:
    """Return the pulls of spectra at every zoom, each the stack of epochs of unlike depth; ivar is the true one."""
    rng = np.random.default_rng(seed)
    drawn = [draw_spectra(repeats, rng, 1.0 + epoch) for epoch in range(epochs)]
    truth = drawn[0][0]
    expected = rebin_spectra([(LOGLAM, truth, np.ones_like(truth))])
    binned = [rebin_spectra([(LOGLAM, one, sigma**-2.0) for one in flux]) for _, sigma, flux in drawn]
    weights = np.stack([spectrum_weights(zooms[0][1]) for zooms in binned])
    pulls = []
    for zoom, (model, _) in enumerate(expected):
        values, sigmas = (np.stack([zooms[zoom][part] for zooms in binned]) for part in (0, 1))
        mean, sigma = stack(values, sigmas, weights)[:2]
        exact = _true_spread([sigma for _, sigma, _ in drawn], weights[:, 0], zoom)
        residual = mean - model
        pulls.append(_summary([(residual / exact, residual / sigma)]))
    return pulls


def _true_spread(sigmas: list[np.ndarray], weights: np.ndarray, zoom: int) -> np.ndarray:
    """Give the standard deviation of a stack's bins, by summing over overlaps found one bin after the other."""
    n = 4620 >> zoom
    centers = np.linspace(3839.7244, 8914.597, n)
    half = (centers[1] - centers[0]) / 2
    edges = 10 ** np.append(LOGLAM - 0.5e-4, LOGLAM[-1] + 0.5e-4)
    variance = np.tensordot(weights**2, np.square(sigmas), 1) / weights.sum() ** 2
    spread = np.empty(n)
    for number, center in enumerate(centers):
        first, last = np.searchsorted(edges, [center - half, center + half])
        some = slice(first - 1, last)
        covered = np.minimum(edges[first : last + 1], center + half) - np.maximum(edges[some], center - half)
        spread[number] = np.sqrt((covered**2 * variance[some]).sum()) / (2 * half)
    return spread


def _summary(parts: list[tuple[np.ndarray, np.ndarray]]) -> Pulls:
    exact, estimated = (np.stack(pulls).astype(np.float64) for pulls in zip(*parts))
    return Pulls(float(exact.mean()), float(exact.std()), float(estimated.mean()), float(estimated.std()))


def _row(what: str, epochs: int, pulls: list[Pulls], estimated: bool) -> str:
    cells = [
        f"{one.mean_estimated:+.3f} ± {one.std_estimated:.3f}" if estimated else f"{one.mean:+.3f} ± {one.std:.3f}"
        for one in pulls
    ]
    return f"| {what} | {epochs} | {'estimated' if estimated else 'true'} | {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Draw, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=8, help="stacks of images that are drawn")
    parser.add_argument("--spectra", type=int, default=200, help="stacks of spectra that are drawn")
    args = parser.parse_args(argv)
    print("Pulls, mean ± standard deviation:\n")
    print("| what | epochs | sigma | zoom 0 | zoom 1 | zoom 2 | zoom 3 |\n|---|---|---|---|---|---|---|")
    for band in WAVELENGTH:
        for epochs in (1, 2, 10):
            pulls = image_pulls(band, epochs, args.repeats, seed=epochs)
            for estimated in (False, True):
                print(_row(f"image, {band}", epochs, pulls, estimated), flush=True)
    pulls = image_pulls("u", 10, args.repeats, seed=10, own_counts=True)
    print(_row("image, u, weights of own counts", 10, pulls, True), flush=True)
    for epochs in (1, 2, 10):
        print(_row("spectrum", epochs, spectrum_pulls(epochs, args.spectra, seed=epochs), False), flush=True)


if __name__ == "__main__":
    main()
