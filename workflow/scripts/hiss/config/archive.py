"""Raw files out of SDSS's public archive: which, from where, and how they are fetched."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from hiss.config.base import Count, Positive, Section, unique

RightAscension = Annotated[float, Field(ge=0, le=360)]
Declination = Annotated[float, Field(ge=-90, le=90)]
Plate = Annotated[int, Field(ge=1, le=99999)]
Named = Literal["stripe82", "dr7"]


class Box(Section):
    """A box on the sky [deg]; it runs through RA = 0 where ra_min is above ra_max."""

    ra_min: RightAscension
    ra_max: RightAscension
    dec_min: Declination
    dec_max: Declination

    @model_validator(mode="after")
    def _has_an_area(self) -> "Box":
        if self.dec_min >= self.dec_max or self.ra_min == self.ra_max:
            raise ValueError("a box has dec_min below dec_max, and ra_min other than ra_max")
        return self


class Cone(Section):
    """All that is within a radius of a position [deg]."""

    ra: RightAscension
    dec: Declination
    radius: float = Field(gt=0, le=180)


class Cells(Section):
    """Cells of HEALPix in NESTED order."""

    order: int = Field(ge=0, le=15)
    cells: list[int] = Field(min_length=1)

    @model_validator(mode="after")
    def _exist(self) -> "Cells":
        last = 12 * 4**self.order - 1
        if wrong := [cell for cell in self.cells if not 0 <= cell <= last]:
            raise ValueError(f"cells of order {self.order} are numbered 0 to {last}, and {wrong[0]} is none of them")
        unique(self.cells)
        return self


class Region(Section):
    """Which objects: those that lie in every one of the regions named here."""

    name: Named | None = Field(None, description="stripe82, or dr7: the whole spectroscopic sample.")
    box: Box | None = None
    cone: Cone | None = None
    healpix: Cells | None = None
    plates: list[Plate] | None = Field(None, min_length=1, description="Objects with a spectrum on these plates.")
    fields: str | None = Field(
        None, description="A CSV of run,camcol,field: these fields whole, and the objects that lie in them."
    )
    spectra: str | None = Field(
        None, description="A CSV of plate,mjd,fiber, with ra,dec or run2d where you know them: these spectra."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Region":
        if not self.model_dump(exclude_none=True):
            raise ValueError(f"name at least one of {', '.join(type(self).model_fields)}")
        return self


def _by_name(value: Any) -> Any:
    """Read ``region: stripe82`` as ``region: {name: stripe82}``."""
    return {"name": value} if isinstance(value, str) else value


class ArchiveSky(Section):
    """A region of the sky out of SDSS's public archive."""

    region: Annotated[Region, BeforeValidator(_by_name, json_schema_input_type=Named | Region)] = Region(
        name="stripe82"
    )
    z_min: float | None = Field(None, description="Least redshift of the catalogue's objects.")
    z_max: float | None = Field(None, description="Largest redshift.")
    classes: list[str] | None = Field(
        None, min_length=1, description="SPECTROTYPE of the catalogue, for instance [GALAXY]; null: any."
    )
    flags: list[int] | None = Field(None, min_length=1, description="FLAG of the total SFR, for instance [0].")
    max_objects: Count | None = Field(
        None, description="For a pilot: about so few objects, whole fields spread evenly over the region."
    )
    data_release: Literal["dr17", "dr16", "dr12"] = Field("dr17", description="Whose frames and spectra.")
    catalogue: Literal["dr7", "dr8"] = Field("dr7", description="Whose star formation rates of MPA-JHU.")
    epochs: Literal["one", "all"] = Field(
        "one", description="all: every run of the survey's field list that covers a target, not only its own field."
    )
    spectra: Literal["lite", "full"] = Field(
        "lite", description="full: with the exposures behind each spectrum, four times the bytes; the cube reads none."
    )
    field_list: bool = Field(
        True, description="Fetch the survey's list of fields (0.5 GB): says exactly which frames cover a target."
    )
    plate_list: bool = Field(
        True, description="Fetch the list of plates (20 MB): says which reduction each spectrum is of."
    )
    base_url: str = Field(
        "https://data.sdss.org/sas", description="The archive or a mirror of its tree: https://, http:// or file://."
    )
    catalogue_url: str | None = Field(None, description="Folder of the SFR tables; null: where they are published.")
    catalogue_rows: int | None = Field(
        None, ge=0, description="Rows the SFR tables must have; null: as published, 0: any."
    )
    folder: str | None = Field(
        None, description="Folder of the fetched files, which several studies may share; null: <results>/sky/raw."
    )
    accept_gb: Positive = Field(10.0, description="A plan of more gigabytes is not fetched before this is raised.")
    batch_files: Count = Field(500, description="Files a job fetches.")
    connections: Count = Field(4, le=32, description="Files fetched at once by a job.")
    jobs: Count = Field(2, le=16, description="Jobs that fetch at once.")
    fetch_locally: bool = Field(
        True, description="Fetch where Snakemake runs, a login node; false: as jobs, in the partition a profile names."
    )
    retries: int = Field(5, ge=0, le=100, description="Further tries after a fault of the server or the line.")
    timeout_s: Count = Field(60, description="Seconds without a byte after which a connection is given up.")
    repack: Literal["plain", "gzip"] | None = Field(
        None, description="Unpack frames once, for those who will build more than once; null: keep bzip2."
    )
    keep_bz2: bool = Field(True, description="Keep the bzip2 frames after repacking them.")

    @field_validator("base_url", "catalogue_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://", "file:///")):
            raise ValueError("must start with https://, http:// or file:/// (a folder's absolute path)")
        return value.rstrip("/") if value else value

    @field_validator("folder")
    @classmethod
    def _stays_a_folder(cls, value: str | None) -> str | None:
        if value is not None and not PurePosixPath(value).parts:
            raise ValueError("must name a folder, or be null")
        return value

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "ArchiveSky":
        if self.z_min is not None and self.z_max is not None and self.z_min >= self.z_max:
            raise ValueError("z_min must be below z_max")
        if not self.field_list and (self.epochs == "all" or self.catalogue == "dr8"):
            raise ValueError("epochs: all and catalogue: dr8 find frames by position, which needs field_list: true")
        if self.catalogue == "dr8" and self.region.fields:
            raise ValueError("catalogue: dr8 names no object's field, so that region: fields selects none; use dr7")
        return self
