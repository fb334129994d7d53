"""The form of summary.json. Its JSON schema, workflow/schemas/summary.json, is made from these classes (`make schema`).

A number that is not known is null, never NaN. What the config switches off is null, or a list without an entry.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

VERSION: Final = 1
"""Raised whenever a reader of the older form would be misled."""

_FORM: Final[dict[str, Any]] = {"use_attribute_docstrings": True, "extra": "forbid"}
"""How pydantic, which makes the schema, is to read a class; nothing else needs pydantic."""


@dataclass(frozen=True)
class Step:
    """A step of the sample's ledger."""

    __pydantic_config__: ClassVar = _FORM
    key: str
    step: str
    """The step in words."""
    count: int
    """What is left after it."""
    removed: int
    thesis: int | None
    """The thesis's own count at this step."""
    note: str | None


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % bootstrap interval."""

    __pydantic_config__: ClassVar = _FORM
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cost:
    """What a run costs, when it ran alone where it was timed so. Times in seconds."""

    __pydantic_config__: ClassVar = _FORM
    fit_s: float | None
    cpu_s: float | None
    gpu_s: float | None
    bin_s: float | None
    read_s: float | None
    predict_s: float | None
    peak_memory_mb: float | None
    """Megabytes of 1e6 bytes."""
    device: str | None


@dataclass(frozen=True)
class Run:
    """A selected run, a fusion of two, or a baseline: what it reached on the test set, and what it costs."""

    __pydantic_config__: ClassVar = _FORM
    model: str
    modality: str
    zoom: int
    settings: str
    path: str
    """Its folder, relative to the results folder."""
    validation_rmse: float | None
    """By which choices between runs are made, in dex."""
    n: int
    """Test objects."""
    r2: Measured
    mae: Measured
    """In dex, as are rmse and nmad."""
    rmse: Measured
    nmad: Measured
    r2_ceiling: float | None
    """R2 of a perfect predictor of labels that err by their own width."""
    cost: Cost


@dataclass(frozen=True)
class Comparison:
    """A paired difference of test RMSE, a less b, with its 95 % interval; below zero, a is better."""

    __pydantic_config__: ClassVar = _FORM
    kind: str
    """What a and b are: modalities, models, zooms, baselines, or best (a the best run, b that of another kind)."""
    model: str | None
    modality: str | None
    zoom: int | None
    a: str
    b: str
    n: int
    delta_rmse: float | None
    low: float | None
    high: float | None
    better_on_validation: str


@dataclass(frozen=True)
class Coverage:
    """Share of the test objects that prediction intervals hold, with its 95 % Wilson interval."""

    __pydantic_config__: ClassVar = _FORM
    model: str
    modality: str
    zoom: int
    method: str
    bin: str
    """All objects, or a bin of AVG, counted from the lowest."""
    avg_low: float | None
    avg_high: float | None
    n: int
    level: float
    """The share that was promised."""
    coverage: float | None
    coverage_low: float | None
    coverage_high: float | None
    mean_width: float | None
    median_width: float | None


@dataclass(frozen=True)
class Variant:
    """Selected settings once more with one thing changed, beside the study, on validation objects."""

    __pydantic_config__: ClassVar = _FORM
    variant: str
    changed: str
    model: str
    base: str
    modality: str
    zoom: int
    sample: str
    n_train: int
    n: int
    r2: float | None
    rmse: float | None
    n_common: int
    """Validation objects that both predict."""
    delta_rmse: float | None
    """Variant less study on those, with its 95 % interval."""
    low: float | None
    high: float | None
    path: str
    path_study: str


@dataclass(frozen=True)
class CascadeStep:
    """A share of the objects looked at again at the fine zoom, and what that brings."""

    __pydantic_config__: ClassVar = _FORM
    order: str
    share: float
    n: int
    n_fine: int
    rmse: float | None
    cost_us: float | None
    """Microseconds an object."""


@dataclass(frozen=True)
class Recommendation:
    """The run of the lowest validation RMSE within a budget."""

    __pydantic_config__: ClassVar = _FORM
    cost: str
    """What is limited: fit_s, predict_us or read_kb."""
    budget: float | None
    """The limit; null for none."""
    value: float | None
    """What the run takes of it."""
    model: str
    modality: str
    zoom: int
    settings: str
    validation_rmse: float | None
    """What it was chosen by."""
    rmse: float | None
    """On the test set, with its 95 % interval."""
    rmse_low: float | None
    rmse_high: float | None


@dataclass(frozen=True)
class Objects:
    """Objects of the study's sample by side of the split."""

    __pydantic_config__: ClassVar = _FORM
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Study:
    """What came out of the experiments."""

    __pydantic_config__: ClassVar = _FORM
    objects: Objects
    trained: int
    """Runs of the grid, the baselines' among them."""
    best: str
    """Path of the run of the lowest validation RMSE, baselines aside."""
    runs: list[Run]
    comparisons: list[Comparison]
    coverage: list[Coverage]
    variants: list[Variant]
    cascade: list[CascadeStep]
    recommendations: list[Recommendation]
    meaning: list[str]
    """What R2 means here, and what it does not."""


@dataclass(frozen=True)
class Answer:
    """A question of the study and what this run says to it."""

    __pydantic_config__: ClassVar = _FORM
    question: str
    sentences: list[str]


@dataclass(frozen=True)
class Inputs:
    """Files that the sky and the cube were made of."""

    __pydantic_config__: ClassVar = _FORM
    frames: int
    spectra: int
    rejects: int
    """Inputs that are not in the cube; cube/rejects.parquet has the reason of each."""


@dataclass(frozen=True)
class Provenance:
    """Where the summary comes from."""

    __pydantic_config__: ClassVar = _FORM
    inputs: dict[str, str]
    """SHA-256 of each table it was made of."""
    code: str
    """SHA-256 of the code that wrote it."""
    environment: str
    """SHA-256 of requirements.lock."""


@dataclass(frozen=True)
class SideScore:
    """What a setting of a further target reached on its test set, and what it cost."""

    __pydantic_config__: ClassVar = _FORM
    model: str
    modality: str
    zoom: int
    settings: str | None
    score: str
    """Its name: balanced_accuracy, or rmse in the unit of the target."""
    reached: Measured
    fit_s: float | None
    """Of the training job, which may have run beside others."""
    predict_per_object_us: float | None
    peak_memory_mb: float | None


@dataclass(frozen=True)
class SideStudy:
    """What a study beside the main one found."""

    __pydantic_config__: ClassVar = _FORM
    name: str
    """structure, cases, scenes, or the name of a further target."""
    sentences: list[str]
    meaning: list[str]
    """What those sentences do not say of themselves."""
    scores: list[SideScore]
    """Of further targets."""


@dataclass(frozen=True)
class Summary:
    """What a run of the workflow found, for machines."""

    __pydantic_config__: ClassVar = _FORM
    schema_version: int
    title: str
    config: str
    """Names of the config files."""
    config_digest: str
    """SHA-256 of the settings as they are with all defaults."""
    settings: dict[str, Any]
    """Those settings."""
    sky: str
    """Kind of sky: simulated, local, archive or existing. Numbers of a simulated one say nothing about galaxies."""
    sample: str
    inputs: Inputs
    ledger: list[Step]
    study: Study | None
    """Null where the config asks for no experiments."""
    answers: list[Answer]
    """The sentences that the report opens with."""
    beside: list[SideStudy]
    """The studies beside the main one that the config asks for."""
    provenance: Provenance
