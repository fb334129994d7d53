"""Studies beside the main one; each can be switched off, and nothing waits for it but its place in the report."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from hiss.config.base import Count, Positive, Section, Share, Zoom, unique
from hiss.config.experiments import DecisionTree, LightGBM, VGGNet12
from hiss.config.scenes import (
    VIDEO_PATTERN,
    FetchedScenes,
    LocalScenes,
    SceneNetwork,
    SceneSplit,
    SimulatedScenes,
    checked_pattern,
)

TargetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


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


class Learning(Section):
    """What is learned beside the study: models on modalities at zooms, most of them with one setting."""

    decision_tree: DecisionTree | None = DecisionTree(max_depth=[6])
    lightgbm: LightGBM | None = LightGBM(learning_rate=[0.1], max_depth=[8])
    vggnet12: VGGNet12 | None = VGGNet12(learning_rate=[1e-4], epochs=100, patience=15)
    class_weights: bool = Field(True, description="Classes count alike in the fit, however rare; not in the scores.")
    seed: int = 1

    @model_validator(mode="after")
    def _has_a_model(self) -> "Learning":
        if not (self.decision_tree or self.lightgbm or self.vggnet12):
            raise ValueError("every model is switched off; to leave the study out say null in its place")
        if self.vggnet12 and "://" in str(self.vggnet12.weights):
            raise ValueError("weights beside the study are a file or null; name the address in experiments.vggnet12")
        return self


class Target(Learning):
    """One more thing to learn from the same arrays."""

    label: Literal["class", "quiescent", "redshift"]
    modalities: list[Literal["photo", "spectra", "early"]] = Field(["photo", "spectra", "early"], min_length=1)
    zooms: list[Zoom] = Field([0, 1, 2, 3], min_length=1)
    max_missing: float = Field(0.02, ge=0, lt=1, description="Largest share of a spectrum's samples without a flux.")
    min_class: Count = Field(30, description="A class of fewer objects is left out, and the report says so.")

    @model_validator(mode="after")
    def _is_possible(self) -> "Target":
        unique(self.modalities)
        unique(self.zooms)
        if self.vggnet12 and not set(self.vggnet12.zooms or []) <= set(self.zooms):
            raise ValueError("vggnet12.zooms must be among the target's zooms")
        return self

    def choice(self) -> dict[str, Any]:
        """Return what decides which objects are looked at, and how they are labelled."""
        return self.model_dump(include={"label", "max_missing", "min_class"})


def default_targets() -> dict[str, Target | None]:
    """Return the targets of the full study."""
    return {name: Target(label=name) for name in ("class", "quiescent", "redshift")}


Property = Literal[
    "spectrum_sn", "sn_median", "r_magnitude", "z", "outside_fibre", "half_light_arcsec", "axis_ratio",
    "h_alpha_sn", "h_beta_sn", "balmer_decrement",
]  # fmt: skip
"""What is measured of each object, as in hiss.side.case_objects."""


class Case(Section):
    """Objects below or above a value of something measured, or a quantile of it among the study's objects."""

    column: Property
    below: float | None = None
    above: float | None = None
    below_quantile: Share | None = None
    above_quantile: Share | None = None
    reason: str = Field("", description="Why images and spectra should need each other there, a sentence.")

    @model_validator(mode="after")
    def _has_one_limit(self) -> "Case":
        limits = [self.below, self.above, self.below_quantile, self.above_quantile]
        if sum(limit is not None for limit in limits) != 1:
            raise ValueError("a case has one limit; name one of below, above, below_quantile, above_quantile")
        return self


def default_cases() -> dict[str, Case | None]:
    """Return the science cases of the full study."""
    return {
        "noisy_spectrum": Case(
            column="spectrum_sn",
            below_quantile=0.25,
            reason="The spectrum is noisy, and its lines are lost: the images have to help.",
        ),
        "beyond_fibre": Case(
            column="outside_fibre",
            above_quantile=0.75,
            reason="Most of the light misses the fibre: the spectrum sees the core, the images see the disk.",
        ),
        "edge_on": Case(
            column="axis_ratio",
            below=0.5,
            reason="A disk seen from the side hides its young stars behind dust, which dims and reddens the images; "
            "the spectrum's lines tell how much.",
        ),
        "dusty": Case(
            column="balmer_decrement",
            above_quantile=0.75,
            reason="Dust takes H-beta more than H-alpha: the spectrum tells how much dust there is, the images "
            "how red it makes the whole galaxy.",
        ),
    }


class Cases(Section):
    """Test objects of a kind on which images and spectra together should beat what is made of them apart."""

    subsets: dict[TargetName, Case | None] = Field(
        default_factory=default_cases,
        description="Cases by name; those of the full study stay unless switched off by null.",
    )
    seeing_arcsec: Positive = Field(
        1.3, description="Taken off the axis ratio: the survey's usual seeing, since no file here tells each frame's."
    )
    min_objects: int = Field(10, ge=3, description="A case of fewer test objects gets no interval and no verdict.")

    @field_validator("subsets", mode="before")
    @classmethod
    def _with_defaults(cls, value: Any) -> Any:
        """Lay what is named over the full study's cases; one with another limit keeps its reason."""
        if not isinstance(value, Mapping):
            return value
        given: dict[Any, Any] = default_cases()
        for name, case in value.items():
            known = given.get(name)
            if known and isinstance(case, Mapping) and case.get("column") == known.column:
                case = {"reason": known.reason, **case}
            given[name] = case
        return given

    @model_validator(mode="after")
    def _has_a_case(self) -> "Cases":
        if not self.chosen():
            raise ValueError("every case is switched off; to leave the study out say cases: null")
        return self

    def chosen(self) -> dict[str, dict[str, Any]]:
        """Return the cases as plain dictionaries."""
        return {name: case.model_dump(exclude_none=True) for name, case in self.subsets.items() if case}


class Scenes(Learning):
    """Scenes by images and audio: the public set's files, or a simulated stand-in in the same layout."""

    source: Literal["simulated", "local", "address"] = "simulated"
    simulated: SimulatedScenes = SimulatedScenes()
    local: LocalScenes | None = None
    address: FetchedScenes | None = None
    labels: list[Literal["class1", "class2"]] = Field(["class1", "class2"], min_length=1)
    splits: list[Literal["by_video", "at_random"]] = Field(["by_video", "at_random"], min_length=1)
    modalities: list[Literal["photo", "spectra", "early"]] = Field(
        ["photo", "spectra", "early"], min_length=1, description="photo: images; spectra: audio; early: both in one."
    )
    image_side: Literal[16, 32, 64] = Field(64, description="Side to which frames are brought [pixel].")
    video_pattern: str = Field(VIDEO_PATTERN, description="Tells the video, and the frame's number, of a path.")
    min_class: Count = Field(30, description="A scene of fewer frames is left out, and the report says so.")
    split: SceneSplit = SceneSplit()
    lightgbm: LightGBM | None = None
    vggnet12: SceneNetwork | None = SceneNetwork(learning_rate=[1e-4], epochs=100, patience=15)

    @field_validator("video_pattern")
    @classmethod
    def _tells_a_video(cls, value: str) -> str:
        return checked_pattern(value)

    @model_validator(mode="after")
    def _is_there(self) -> "Scenes":
        for values in (self.labels, self.splits, self.modalities):
            unique(values)
        if self.source == "local" and self.local is None:
            raise ValueError("source: local reads files at hand; name the table in local: {csv: ...}")
        if self.source == "address" and self.address is None:
            raise ValueError("source: address fetches a zip; name it in address: {address: ..., sha256: ...}")
        if self.vggnet12 and self.vggnet12.zooms not in (None, [0]):
            raise ValueError("frames have one zoom, 0; leave vggnet12.zooms out")
        return self

    @property
    def zooms(self) -> list[int]:
        """The only zoom of a frame."""
        return [0]

    def names(self) -> list[str]:
        """Return the names of what is learned, each with the split in its name."""
        return [f"scene_{label}_{split}" for label in self.labels for split in self.splits]


class SideStudies(Section):
    """Studies beside the main one; null switches one off."""

    structure: Structure | None = Structure()
    targets: dict[TargetName, Target | None] = Field(
        default_factory=default_targets,
        description="Further things to learn, by name; those of the full study stay unless switched off by null.",
    )
    cases: Cases | None = Cases()
    scenes: Scenes | None = Scenes()

    @field_validator("targets", mode="before")
    @classmethod
    def _with_defaults(cls, value: Any) -> Any:
        """Lay what is named over the full study's targets; null switches all off."""
        if value is None:
            return {}
        return {**default_targets(), **value} if isinstance(value, Mapping) else value

    def learning(self) -> "dict[str, Target | Scenes]":
        """Return all that is learned beside the study, by the name of its runs' folder."""
        targets: dict[str, Target | Scenes] = {name: target for name, target in self.targets.items() if target}
        scenes: dict[str, Target | Scenes] = dict.fromkeys(self.scenes.names(), self.scenes) if self.scenes else {}
        return targets | scenes
