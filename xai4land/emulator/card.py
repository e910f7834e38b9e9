"""The card: what an emulator takes, gives and learned from. It is data, checked, never code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

__all__ = [
    "AnyCard",
    "Architecture",
    "Card",
    "Input",
    "OutputClass",
    "Part",
    "Resolution",
    "Window",
]

Role = Literal["dynamic", "static", "categorical"]
RESERVED = ("confidence", "lat", "lon", "latitude", "longitude", "time", "bnds")
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Part(BaseModel):
    """A part of a card: fixed, and nothing in it but what is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Input(Part):
    """One variable that the emulator reads.

    Attributes
    ----------
    name, standard_name, long_name, units
        As in CF. Data in other units that can be converted are.
    role : {"dynamic", "static", "categorical"}
        Changes with time; fixed; or fixed with codes for values.
    valid_range : tuple of float, optional
        Values outside are refused.
    offset, scale : float
        The network sees ``(value - offset) / scale``.
    fill : float, optional
        What stands in where the value is missing; the network is told where. Without it a
        missing value makes the output missing.
    codes : tuple of int
        The codes that a categorical input may have.
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

    @property
    def fillable(self) -> bool:
        """Whether a missing value leaves the output whole."""
        return self.fill is not None or self.role == "categorical"


class OutputClass(Part):
    """One class of the output's legend.

    Attributes
    ----------
    value, name, colour
        The flag value (0 to 254), its meaning, and how to draw it.
    states : tuple of str
        The fractions among the inputs that add up to this class, or, where several classes
        name the same ones, to all of those together. Empty: the rest of the cell.
    share : float
        This class' part of those states, on average over the training blocks.
    weight : float
        Factor on the probability when the most likely class is chosen.
    """

    value: Annotated[int, Field(ge=0, le=254)]
    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#888888"
    states: tuple[str, ...] = ()
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    weight: Annotated[float, Field(gt=0)] = 1.0


class Resolution(Part):
    """Degrees between cells of the map and of the states that the emulator was trained on."""

    target: Annotated[float, Field(gt=0, lt=90)]
    states: Annotated[float, Field(gt=0, lt=180)]


class Window(Part):
    """Pixels along a side of the window that the network sees, and how many it shares."""

    size: Annotated[int, Field(ge=8, le=4096)]
    overlap: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _smaller(self) -> Self:
        if self.overlap > self.size // 2:
            raise ValueError("overlap must be at most half the size")
        return self


class Architecture(Part):
    """Name of a registered architecture and the parameters it is built with."""

    name: Name
    parameters: dict[str, JsonValue] = {}


class AnyCard(Part):
    """What the cards of all kinds of emulators have.

    Attributes
    ----------
    kind : str
        Name of the kind; see ``xai4land.kinds`` in the plugins' page.
    training, metrics : dict
        What it learned from (data, command, seed, ...) and how well; for people to read.
    """

    format: Literal[1] = 1
    kind: str
    name: Name
    title: str = ""
    architecture: Architecture
    training: dict[str, JsonValue] = {}
    metrics: dict[str, JsonValue] = {}
    licence: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """What the architecture is built with, beside its own parameters."""
        raise NotImplementedError

    @property
    def gives(self) -> str:
        """What comes out, in few words."""
        raise NotImplementedError

    @property
    def grid(self) -> str:
        """Resolution of what comes out, in few words."""
        raise NotImplementedError

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Lines about inputs and resolution, each with a name."""
        raise NotImplementedError

    def with_(self, **changes: Any) -> Self:
        """A checked copy with some fields changed."""
        return type(self).model_validate({**self.model_dump(), **changes})

    @classmethod
    def parse(cls, text: str | bytes | Mapping[str, Any]) -> Self:
        """Read a card from JSON or a mapping; raises ``pydantic.ValidationError``."""
        if isinstance(text, str | bytes):
            return cls.model_validate_json(text)
        return cls.model_validate(text)


class Card(AnyCard):
    """Everything about an emulator of maps but its weights.

    Attributes
    ----------
    inputs : tuple of Input
    output : Name
        Name of the class variable that is made.
    classes : tuple of OutputClass
    conserve : bool
        Whether class fractions in each coarse cell are made to agree with the states.
    """

    kind: Literal["map"] = "map"
    inputs: Annotated[tuple[Input, ...], Field(min_length=1)]
    output: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "land_cover"
    classes: Annotated[tuple[OutputClass, ...], Field(min_length=2)]
    conserve: bool = True
    resolution: Resolution
    window: Window

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.output in RESERVED:
            raise ValueError(f"the output cannot be called {self.output!r}")
        names = [spec.name for spec in self.inputs]
        if len(set(names)) < len(names):
            raise ValueError("two inputs have one name")
        if len({c.value for c in self.classes}) < len(self.classes):
            raise ValueError("two classes have one value")
        if unknown := sorted(set(self.states) - {s.name for s in self.of_role("dynamic")}):
            raise ValueError(f"classes name states that are no dynamic inputs: {unknown}")
        if any(spec.role == "categorical" and not spec.codes for spec in self.inputs):
            raise ValueError("a categorical input has no codes")
        return self

    def of_role(self, role: Role) -> tuple[Input, ...]:
        """Inputs with one role, in order."""
        return tuple(spec for spec in self.inputs if spec.role == role)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the inputs that are fractions of classes, in order."""
        return tuple(dict.fromkeys(name for c in self.classes for name in c.states))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The distinct sets of states that classes share, in order."""
        return tuple(dict.fromkeys(c.states for c in self.classes))

    @property
    def class_groups(self) -> tuple[int, ...]:
        """For each class, the position of its states in :attr:`groups`."""
        return tuple(self.groups.index(c.states) for c in self.classes)

    @cached_property
    def slots(self) -> dict[str, int]:
        """First channel of each number that the network sees; if filled, the next says where."""
        slots, at = {}, 0
        for spec in self.inputs:
            if spec.role != "categorical":
                slots[spec.name] = at
                at += 1 + spec.fillable
        return slots

    @property
    def channels(self) -> int:
        """Number of continuous channels that the network sees.

        Those of the numbers, and two for each class: the logarithm of its interpolated fraction,
        and how far its coarse cell's fraction differs.
        """
        numbers = [spec for spec in self.inputs if spec.role != "categorical"]
        return sum(1 + spec.fillable for spec in numbers) + 2 * len(self.classes)

    @property
    def arguments(self) -> dict[str, Any]:
        """Channels, categories and outputs."""
        return {
            "channels": self.channels,
            "categories": tuple(len(spec.codes) + 1 for spec in self.of_role("categorical")),
            "outputs": len(self.classes),
        }

    @property
    def gives(self) -> str:
        """The variable and its classes."""
        return f"{self.output}: {', '.join(c.name for c in self.classes)}"

    @property
    def grid(self) -> str:
        """Degrees between pixels."""
        return f"{self.resolution.target:g}°"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Inputs by role, resolution and window."""
        roles: tuple[Role, ...] = ("dynamic", "static", "categorical")
        window = f"{self.window.size} pixels, {self.window.overlap} shared"
        return [
            *((role, ", ".join(spec.name for spec in self.of_role(role))) for role in roles),
            ("resolution", f"{self.grid} from states at {self.resolution.states:g}°"),
            ("window", window + (", fractions conserved" if self.conserve else "")),
        ]
