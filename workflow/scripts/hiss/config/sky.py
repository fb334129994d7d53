"""Where the raw files come from."""

from typing import Literal

from pydantic import Field, model_validator

from hiss.config.archive import ArchiveSky
from hiss.config.base import Count, Section


class SimulatedSky(Section):
    """The sky made here: galaxies, stars and quasars of known truth in SDSS's own files."""

    seed: int = 1
    fields: Count = Field(3, description="Consecutive fields of the first run; the second epoch covers one of them.")
    n_galaxies: Count = 520
    n_stars: int = Field(40, ge=0)
    n_quasars: int = Field(40, ge=0)


class LocalSky(Section):
    """A folder of raw SDSS files, in any layout below it."""

    path: str = Field(description="The folder, relative to the working directory or absolute.")
    catalogue: str = Field("catalogue", description="Folder of the two MPA-JHU tables, below the folder.")
    sfr_csv: str | None = Field(
        None,
        description="A CSV of catalogue rows, below the folder, where it has no gal_info / gal_totsfr tables.",
    )


class Sky(Section):
    """Where the raw files come from."""

    source: Literal["simulated", "local", "archive", "existing"] = Field(
        description="existing: no raw files but a cube, set by itself where cube.source is existing."
    )
    simulated: SimulatedSky = SimulatedSky()
    local: LocalSky | None = None
    archive: ArchiveSky = ArchiveSky()

    @model_validator(mode="after")
    def _local_is_named(self) -> "Sky":
        if self.source == "local" and self.local is None:
            raise ValueError("source is 'local', so the folder must be named in sky.local.path")
        return self
