"""Leaf area as a card describes it, and the kind of emulator that gives it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from xai4land.emulator import Emulator, MapCard, Outputs
from xai4land.emulator.build import find_architecture
from xai4land.emulator.schema import Name, Schema
from xai4land_land.leaf.climate import is_lag

if TYPE_CHECKING:
    from xai4land_land.leaf.head import LeafAreaHead

__all__ = ["LAI", "GrowingClass", "LeafArea", "LeafAreaCard", "LeafAreaEmulator"]

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


class LeafArea(Outputs):
    """Leaf area index: the sum over classes of fraction times the leaf area of the class.

    Attributes
    ----------
    classes : tuple of GrowingClass
    bare : tuple of str
        Classes of the same legend without leaves.
    legend : mapping from str to str
        What classes of other maps and names of other fractions are in this legend.
    lags : int
        Months of climate that the emulator sees, the month itself included.
    spread : float
        Factor on the spread that the network gives, so that intervals hold what they should.
    """

    kind: Literal["leaf_area"] = "leaf_area"
    classes: Annotated[tuple[GrowingClass, ...], Field(min_length=1)]
    bare: tuple[Name, ...] = ()
    legend: Mapping[str, str] = Field(default_factory=dict)
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

    def make_head(self, card: MapCard) -> LeafAreaHead:
        """Return the head of these outputs."""
        from xai4land_land.leaf.head import LeafAreaHead

        return LeafAreaHead(self)


class LeafAreaCard(MapCard):
    """The card of an emulator of leaf area."""

    kind: Literal["leaf-area"] = "leaf-area"
    outputs: LeafArea

    @cached_property
    def sequences(self) -> tuple[tuple[int, ...], ...]:
        """Channels of each month of climate, the newest first: values, and where they are known."""
        months = []
        for lag in range(self.outputs.lags):
            specs = [s for s in self.inputs if s.name.endswith(f"_lag_{lag}")]
            months.append(tuple(k for s in specs for k in self._channels_of(s.name)))
        return tuple(months)

    @property
    def climate(self) -> tuple[str, ...]:
        """Names of the variables of climate that it reads."""
        first = (s.name.removesuffix("_lag_0") for s in self.inputs if s.name.endswith("_lag_0"))
        return tuple(first)

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Channels of all that is neither climate nor a fraction."""
        names = [
            s.name
            for s in self.inputs
            if not s.coded and not is_lag(s.name) and s.name not in self.outputs.coarse_inputs
        ]
        return tuple(k for name in names for k in self._channels_of(name))

    def _channels_of(self, name: str) -> range:
        spec = next(s for s in self.inputs if s.name == name)
        first = self.slots[name]
        return range(first, first + 1 + spec.fillable)

    @property
    def arguments(self) -> dict[str, Any]:
        """Channels and layers; where they are, for architectures that read months in order."""
        found = super().arguments
        if getattr(find_architecture(self), "reads_sequences", False):
            found |= {"sequences": self.sequences, "others": self.others}
        return found


class LeafAreaEmulator(Emulator):
    """An emulator of leaf area."""

    card_type = LeafAreaCard
    card: LeafAreaCard
