"""What every section of the config is made of."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _yaml_float(value: Any) -> Any:
    """Read ``1e-5``, which YAML 1.1 takes for text, as the number it is."""
    try:
        return float(value) if isinstance(value, str) and "e" in value.lower() else value
    except ValueError:
        return value


Zoom = Annotated[int, Field(ge=0, le=3)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, BeforeValidator(_yaml_float), Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


def unique(values: list[Any]) -> list[Any]:
    """Return the values; ValueError when one stands twice."""
    if len(set(values)) != len(values):
        raise ValueError("a value stands twice")
    return values


class Section(BaseModel):
    """A part of the config in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
