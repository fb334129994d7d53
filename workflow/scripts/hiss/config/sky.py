"""Where the raw files come from."""

from typing import Literal

from pydantic import Field, model_validator

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


class Box(Section):
    """A box on the sky [deg]."""

    ra_min: float = Field(ge=0, le=360)
    ra_max: float = Field(ge=0, le=360)
    dec_min: float = Field(ge=-90, le=90)
    dec_max: float = Field(ge=-90, le=90)


class ArchiveSky(Section):
    """A region of the sky out of SDSS's public archive."""

    data_release: Literal["dr17"] = "dr17"
    region: Literal["stripe82"] | Box = "stripe82"
    base_url: str = "https://data.sdss.org/sas"
    catalogue_url: str = "https://wwwmpa.mpa-garching.mpg.de/SDSS/DR7/Data"
    max_objects: Count | None = Field(None, description="For a pilot: take the first so many objects of the catalogue.")


class Sky(Section):
    """Where the raw files come from."""

    source: Literal["simulated", "local", "archive"]
    simulated: SimulatedSky = SimulatedSky()
    local: LocalSky | None = None
    archive: ArchiveSky = ArchiveSky()

    @model_validator(mode="after")
    def _local_is_named(self) -> "Sky":
        if self.source == "local" and self.local is None:
            raise ValueError("source is 'local', so the folder must be named in sky.local.path")
        return self
