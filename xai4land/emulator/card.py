"""The card of an emulator: inputs, outputs and training data. It is checked data, never code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, JsonValue, SerializeAsAny, model_validator

from xai4land.emulator.outputs import Changes, Classes, Numbers, Outputs
from xai4land.emulator.schema import Name, Schema

__all__ = [
    "ELEVATION",
    "AnyCard",
    "Architecture",
    "Card",
    "Input",
    "MapCard",
    "Resolution",
    "Window",
]

Role = Literal["dynamic", "static", "categorical", "prior"]

ELEVATION = "elevation"
"""Name of the input by which others may be corrected, in metres."""


class Input(Schema):
    """One input variable.

    Attributes
    ----------
    name, standard_name, long_name, units
        As in CF. Data in other units are converted if possible.
    role : {"dynamic", "static", "categorical", "prior"}
        Changes with time; fixed; fixed with codes as values; or the map of another year, whose
        codes are those of the output's classes.
    valid_range : tuple of float, optional
        Values outside are an error.
    offset, scale : float
        The network sees ``(value - offset) / scale``.
    fill : float, optional
        Replaces missing values; the network sees where. Without it a missing value makes the
        output missing.
    codes : tuple of int
        The codes that a categorical input or a prior map may have.
    elevation_slope : float
        What is added for each metre of the input ``elevation`` at the pixel, to values that are
        brought to sea level.
    """

    name: Name
    standard_name: str = ""
    long_name: str = ""
    units: str = "1"
    role: Role
    valid_range: tuple[float, float] | None = None
    offset: float = 0.0
    scale: Annotated[float, Field(gt=0)] = 1.0
    fill: float | None = None
    codes: tuple[int, ...] = ()
    elevation_slope: float = 0.0

    @property
    def fillable(self) -> bool:
        """Whether a missing value can be replaced, so that the output is not missing."""
        return self.fill is not None or self.coded

    @property
    def coded(self) -> bool:
        """Whether the values are codes."""
        return self.role in ("categorical", "prior")


class Resolution(Schema):
    """Grid spacings, in degrees, of the outputs and the states of the training data.

    Attributes
    ----------
    target, states : float
        Of the outputs, and of the states; where there were several, the finest.
    coarsest : tuple of float, optional
        The coarsest of both, where the training data had several resolutions.
    """

    target: Annotated[float, Field(gt=0, lt=90)]
    states: Annotated[float, Field(gt=0, lt=180)]
    coarsest: tuple[float, float] | None = None

    @property
    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Finest and coarsest spacing of the outputs, and of the states."""
        coarsest = self.coarsest or (self.target, self.states)
        return (self.target, coarsest[0]), (self.states, coarsest[1])


class Window(Schema):
    """Rows (and columns) of the window that the network sees, and its overlap, in pixels."""

    size: Annotated[int, Field(ge=8, le=4096)]
    overlap: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _smaller(self) -> Self:
        if self.overlap > self.size // 2:
            raise ValueError("overlap must be at most half the size")
        return self


class Architecture(Schema):
    """Name of a registered architecture and the parameters it is built with."""

    name: Name
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class AnyCard(Schema):
    """Fields of the cards of all kinds of emulators.

    Attributes
    ----------
    kind : str
        Name of the kind; see ``xai4land.kinds`` in the documentation of plugins.
    training, metrics : dict
        How it was trained (data, command, seed, ...) and how well; for people to read.
    """

    format: Literal[1] = 1
    kind: str
    name: Name
    title: str = ""
    architecture: Architecture
    training: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, JsonValue] = Field(default_factory=dict)
    licence: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the architecture beside its own parameters."""
        raise NotImplementedError

    @property
    def gives(self) -> str:
        """Outputs, in few words."""
        raise NotImplementedError

    @property
    def grid(self) -> str:
        """Resolution of the outputs, in few words."""
        raise NotImplementedError

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Lines about inputs and resolution, each with a name."""
        raise NotImplementedError

    def with_(self, **changes: Any) -> Self:
        """Return a checked copy with some fields changed."""
        return type(self).model_validate({**self.model_dump(), **changes})

    @classmethod
    def parse(cls, text: str | bytes | Mapping[str, Any]) -> Self:
        """Read a card from JSON or a mapping; raise ``pydantic.ValidationError`` if it is wrong."""
        if isinstance(text, str | bytes):
            return cls.model_validate_json(text)
        return cls.model_validate(text)


class MapCard(AnyCard):
    """Everything about an emulator of maps except its weights.

    The card of a third party's kind derives from this, with ``outputs`` of its own.

    Attributes
    ----------
    inputs : tuple of Input
    outputs : Outputs
    resolution : Resolution
    window : Window
    """

    inputs: Annotated[tuple[Input, ...], Field(min_length=1)]
    outputs: SerializeAsAny[Outputs]
    resolution: Resolution
    window: Window

    @model_validator(mode="after")
    def _check_inputs(self) -> Self:
        names = [spec.name for spec in self.inputs]
        if len(set(names)) < len(names):
            raise ValueError("two inputs have one name")
        dynamic = {spec.name for spec in self.of_role("dynamic")}
        fractions = set(self.outputs.fraction_inputs)
        if unknown := sorted(fractions - dynamic):
            raise ValueError(f"classes name states that are no dynamic inputs: {unknown}")
        numbers = {spec.name for spec in self.inputs if not spec.coded}
        if unknown := sorted(set(self.outputs.coarse_inputs) - numbers):
            raise ValueError(f"outputs name coarse inputs that are no numbers: {unknown}")
        if any(spec.coded and not spec.codes for spec in self.inputs):
            raise ValueError("a categorical input has no codes")
        if ELEVATION not in numbers and any(spec.elevation_slope for spec in self.inputs):
            raise ValueError(f"an input has a slope with {ELEVATION}, which is no input")
        priors = [spec.name for spec in self.of_role("prior")]
        if priors != list(self.outputs.fine_inputs):
            raise ValueError(f"outputs need prior maps {self.outputs.fine_inputs}, found {priors}")
        return self

    def of_role(self, role: Role) -> tuple[Input, ...]:
        """Return the inputs with one role, in order."""
        return tuple(spec for spec in self.inputs if spec.role == role)

    @property
    def coded(self) -> tuple[Input, ...]:
        """The inputs whose values are codes, in order."""
        return tuple(spec for spec in self.inputs if spec.coded)

    @cached_property
    def slots(self) -> dict[str, int]:
        """First channel of each continuous input; if it can be filled, the next says where."""
        slots, channel = {}, 0
        for spec in self.inputs:
            if not spec.coded:
                slots[spec.name] = channel
                channel += 1 + spec.fillable
        return slots

    @property
    def channels(self) -> int:
        """Number of continuous channels: those of the inputs and the first guess."""
        numbers = [spec for spec in self.inputs if not spec.coded]
        return sum(1 + spec.fillable for spec in numbers) + self.outputs.guess_channels

    @property
    def arguments(self) -> dict[str, Any]:
        """Channels, categories and outputs."""
        return {
            "channels": self.channels,
            "categories": tuple(len(spec.codes) + 1 for spec in self.coded),
            "outputs": self.outputs.layers,
        }

    @property
    def gives(self) -> str:
        """Output variables."""
        return self.outputs.summary

    @property
    def grid(self) -> str:
        """Degrees between pixels."""
        return f"{self.resolution.target:g}°"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Inputs by role, resolution and window."""
        roles = [role for role in get_args(Role) if role != "prior" or self.of_role("prior")]
        window = f"{self.window.size} pixels, {self.window.overlap} shared"
        return [
            *((role, ", ".join(spec.name for spec in self.of_role(role))) for role in roles),
            ("resolution", f"{self.grid} from states at {self.resolution.states:g}°"),
            ("window", window + (", fractions conserved" if self.outputs.whole_cells else "")),
        ]


class Card(MapCard):
    """The card of an emulator of classes, changes of classes, or numbers.

    Attributes
    ----------
    outputs : Classes, Changes or Numbers
        Files of the first version give ``output``, ``classes`` and ``conserve`` instead.
    """

    kind: Literal["map"] = "map"
    outputs: Annotated[Classes | Changes | Numbers, Field(discriminator="kind")]

    @model_validator(mode="before")
    @classmethod
    def _gather_classes(cls, fields: Any) -> Any:
        """Accept a card of the first version, with its classes beside its inputs."""
        if not isinstance(fields, Mapping) or "outputs" in fields or "classes" not in fields:
            return fields
        names = {"output": "name", "classes": "classes", "conserve": "conserve"}
        outputs = {new: fields[old] for old, new in names.items() if old in fields}
        rest = {name: value for name, value in fields.items() if name not in names}
        return {**rest, "outputs": {"kind": "classes", **outputs}}
