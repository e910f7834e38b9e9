"""Leaf area as a card describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xai4land.emulator import Outputs
from xai4land.emulator.schema import Name, Schema
from xai4land_land.leaf.climate import is_lag
from xai4land_land.leaf.steps import Step

__all__ = ["LAI", "GrowingClass", "LeafClasses"]

LAI = "leaf_area_index"
"""CF's standard name, and the name of the output."""


class GrowingClass(Schema):
    """A class of land cover that has leaves.

    Attributes
    ----------
    name : str
        Also the name of the input that is its fraction.
    bound : float
        The largest leaf area index that it can have.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    bound: Annotated[float, Field(gt=0, le=20)]


class LeafClasses(Outputs):
    """Leaf area index: the sum over classes of fraction times the leaf area of the class.

    Attributes
    ----------
    classes : tuple of GrowingClass
    bare : tuple of str
        Classes of the same legend without leaves.
    legend : mapping from str to str
        What classes of other maps and names of other fractions are in this legend.
    step : {"month", "dekad", "day"}
        What a step of leaf area and of the climate stands for.
    lags : int
        Months of climate that the emulator sees, the step itself counted as one.
    spread : float
        Factor on the spread that the network gives, so that intervals hold what they should.
    """

    kind: Literal["leaf_area"] = "leaf_area"
    classes: Annotated[tuple[GrowingClass, ...], Field(min_length=1)]
    bare: tuple[Name, ...] = ()
    legend: Mapping[str, str] = Field(default_factory=dict)
    step: Step = "month"
    lags: Annotated[int, Field(ge=1, le=36)] = 12
    spread: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [*self.coarse_inputs, *self.bare]
        if len(set(names)) < len(names):
            raise ValueError("two classes have one name")
        if unknown := sorted(set(self.legend.values()) - set(names)):
            raise ValueError(f"the legend names classes that are not there: {unknown}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the variables."""
        return (LAI, f"{LAI}_spread")

    @property
    def summary(self) -> str:
        """Return what is made, and of which classes."""
        return f"{LAI} (1) of {', '.join(self.coarse_inputs)}"

    @property
    def coarse_inputs(self) -> tuple[str, ...]:
        """Return the fractions of the classes that have leaves."""
        return tuple(c.name for c in self.classes)

    @property
    def fraction_inputs(self) -> tuple[str, ...]:
        """Return the same."""
        return self.coarse_inputs

    def is_required(self, name: str) -> bool:
        """Return whether the output is missing where an input is: without temperature."""
        return is_lag(name, "tas")

    @property
    def layers(self) -> int:
        """Return one for each class, and one for the spread."""
        return len(self.classes) + 1

    @property
    def guess_channels(self) -> int:
        """Return none: leaf area of a class does not depend on what else is in the pixel."""
        return 0
