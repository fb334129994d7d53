"""Where a fit leaves what it has learned so far, so that a killed job goes on from there."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkpoint:
    """A folder for the files of a fit that is under way."""

    folder: Path
    """Made when there is something to keep."""

    identity: str
    """Tells settings, data and code: what was left by others is not taken up."""

    every_s: float = 60.0
    """At most so often is something written [s] ..."""

    share: float = 0.05
    """... and in at most so much of the time."""

    def clear(self) -> None:
        """Remove what was left, when the fit and all that comes of it is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
