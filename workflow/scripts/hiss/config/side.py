"""Studies beside the main one; each can be switched off, and nothing waits for it but its place in the report."""

from typing import Any, Literal

from pydantic import Field, model_validator

from hiss.config.base import Count, Positive, Section, Zoom, unique


class Structure(Section):
    """Structure without labels: components, t-SNE, clusters, and the objects unlike the others."""

    modalities: list[Literal["photo", "spectra", "early"]] = Field(["photo", "spectra", "early"], min_length=1)
    zooms: list[Zoom] = Field([0, 1, 2, 3], min_length=1)
    max_objects: int = Field(5000, ge=50, description="Where there are more, so many are drawn by class.")
    max_missing: float = Field(0.02, ge=0, lt=1, description="Largest share of a spectrum's samples without a flux.")
    components: int = Field(10, ge=2, le=50, description="Principal components of which neighbours and clusters are.")
    embedded_components: int = Field(50, ge=2, le=50, description="Principal components that t-SNE begins from.")
    perplexity: Positive = 30.0
    iterations: int = Field(1000, ge=250, description="Of t-SNE.")
    neighbours: Count = Field(15, description="Nearest neighbours by which what is told and kept is counted.")
    most_clusters: int = Field(10, ge=2, description="k-means takes the number of the highest silhouette.")
    min_cluster_size: int = Field(10, ge=2, description="Of HDBSCAN.")
    min_class: Count = Field(30, description="A class of fewer objects is drawn, and in no score.")
    draws: int = Field(200, ge=50, description="Resamplings behind each interval.")
    outliers: Count = Field(12, description="Odd objects that are listed of each modality, and drawn of all.")
    seed: int = 1

    @model_validator(mode="after")
    def _listed_once(self) -> "Structure":
        unique(self.modalities)
        unique(self.zooms)
        return self

    def choice(self) -> dict[str, Any]:
        """Return what decides which objects are looked at."""
        return self.model_dump(include={"max_missing", "max_objects", "seed"})

    def options(self) -> dict[str, Any]:
        """Return what is done with them."""
        return self.model_dump(exclude={"modalities", "zooms", "max_missing", "max_objects"})


class SideStudies(Section):
    """Studies beside the main one; null switches one off."""

    structure: Structure | None = Structure()
