"""A HiSS-Cube opened for reading; ``python -m hiss.cube.reader <file>`` says what a file holds."""

import argparse
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hiss.cube.describe import description
from hiss.cube.objects import Target, Targets
from hiss.cube.sources import Frame, Frames, Spectrum, SpectrumRows
from hiss.cube.store import Store
from hiss.errors import HissError


class Cube:
    """Any file of a HiSS-Cube; nothing is read before it is asked for, and then only that.

    Parameters
    ----------
    path
        ``hiss_cube.h5`` or ``hiss_cube_single.h5`` for the whole cube; ``dense.h5`` and ``sparse.h5`` for what
        they hold.

    Raises
    ------
    HissError
        There is no such file, it is damaged, or it is not a cube. Asked for what the file lacks, every part of
        a cube raises it too.
    """

    def __init__(self, path: Path | str) -> None:
        self._store = Store(path)

    @property
    def targets(self) -> Targets:
        """All targets: ``.table``, ``.select()``, ``.cone()``, ``.redshift()``, ``.cutouts()``, ``.spectra()``."""
        return Targets(self._store)

    @property
    def spectra(self) -> SpectrumRows:
        """All single spectra: ``.table``, ``.select()``, ``.cone()``, ``.redshift()``, ``.read()``."""
        return SpectrumRows(self._store)

    @property
    def frames(self) -> Frames:
        """All frames: ``.table``, ``.select()``, ``.cone()``, ``.covering()``."""
        return Frames(self._store)

    def target(self, target_id: int | None = None, **wanted: Any) -> Target:
        """Return one target by its number, or by ``objid``, or by ``plate``, ``mjd`` and ``fiber`` of a spectrum.

        Raises
        ------
        HissError
            There is none, or more than one.
        """
        if target_id is not None:
            wanted["target_id"] = target_id
        return self.targets.only(**wanted)

    def spectrum(self, plate: int, mjd: int, fiber: int) -> Spectrum:
        """Return one single spectrum; `HissError` if it is not in the cube."""
        return self.spectra.only(plate=plate, mjd=mjd, fiber=fiber)

    def frame(self, run: int, camcol: int, field: int, band: str, zoom: int = 0) -> Frame:
        """Return one frame at a zoom; `HissError` if it is not in the cube."""
        found = self.frames.only(run=run, camcol=camcol, field=field, band=band)
        return Frame(self._store, found.row, zoom)

    def describe(self) -> str:
        """Return what the file holds, how it was made and of what, as plain text."""
        return description(self._store)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<HiSS-Cube {self._store.path}>"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m hiss.cube.reader", description="Say what a file of a cube holds.")
    parser.add_argument("path", type=Path, help="any file of a HiSS-Cube")
    try:
        with Cube(parser.parse_args().path) as cube:
            print(cube.describe())
    except HissError as error:
        sys.exit(f"error: {error}")
