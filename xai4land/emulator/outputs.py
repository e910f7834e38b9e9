"""What an emulator of maps gives, as its card describes it: classes, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from xai4land.emulator.schema import Name, Schema

__all__ = [
    "MISSING_CLASS",
    "PRIOR_SUFFIX",
    "Changes",
    "ClassMap",
    "Classes",
    "NumberVariable",
    "Numbers",
    "OutputClass",
    "Outputs",
    "flags",
]

RESERVED_NAMES = (
    *("confidence", "entropy", "margin"),
    *("lat", "lon", "latitude", "longitude", "time", "bnds"),
)
MISSING_CLASS = 255
"""Stands for a missing class, in maps and in truths."""
PRIOR_SUFFIX = "_prior"
"""Ends the name of a state at the date of the prior map."""
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Outputs(Schema):
    """The outputs of an emulator: what its inputs, its network and its head must agree on.

    A third party's outputs derive from this and give ``make_head(card, **options)``, which
    returns a :class:`xai4land.heads.Head`.
    """

    kind: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the variables that are made."""
        raise NotImplementedError

    @property
    def summary(self) -> str:
        """Return what is made, in few words."""
        raise NotImplementedError

    @property
    def coarse_inputs(self) -> tuple[str, ...]:
        """Return the inputs on the coarse grid that the first guess is made from."""
        return ()

    @property
    def fine_inputs(self) -> tuple[str, ...]:
        """Return the prior maps that the first guess is made from, too."""
        return ()

    @property
    def fraction_inputs(self) -> tuple[str, ...]:
        """Return the inputs that are fractions of a cell, and add up to at most one."""
        return ()

    @property
    def bounded_inputs(self) -> tuple[str, ...]:
        """Return the inputs that lie between 0 and 1."""
        return self.fraction_inputs

    def is_required(self, name: str) -> bool:
        """Return whether the outputs are missing where an input is, which is not filled then."""
        return name in self.bounded_inputs

    @property
    def whole_cells(self) -> bool:
        """Return whether outputs are fitted to the coarse inputs in each coarse cell."""
        return False

    @property
    def layers(self) -> int:
        """Return the number of layers that the network gives."""
        raise NotImplementedError

    @property
    def guess_channels(self) -> int:
        """Return the number of channels of the first guess that the network sees."""
        raise NotImplementedError


class OutputClass(Schema):
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


class ClassMap(Outputs):
    """A map of classes, each with a probability; what the two kinds of it share.

    Attributes
    ----------
    name : str
        Name of the class variable.
    classes : tuple of OutputClass
    conserve : bool
        Whether class fractions in each coarse cell are made to agree with the states.
    temperature : float
        Probabilities are raised to one over it and brought to a sum of one, before they are fitted
        to the states: above 1 they are less sure than the network said (Guo et al. 2017).
    smooth : float
        Part of the factors of probabilities that goes on smoothly across borders of coarse cells,
        before the rest is found cell by cell; so that the cells show less in the map.
    patch : float
        How far drawn maps are alike: standard deviation, in pixels, of the kernel that smooths
        their noise.
    """

    name: VariableName = "land_cover"
    classes: Annotated[tuple[OutputClass, ...], Field(min_length=2)]
    conserve: bool = True
    temperature: Annotated[float, Field(gt=0)] = 1.0
    smooth: Annotated[float, Field(ge=0, le=1)] = 0.0
    patch: Annotated[float, Field(ge=0, le=64)] = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name in RESERVED_NAMES:
            raise ValueError(f"the output cannot be called {self.name!r}")
        if len({c.value for c in self.classes}) < len(self.classes):
            raise ValueError("two classes have one value")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name of the class variable."""
        return (self.name,)

    @property
    def summary(self) -> str:
        """Return the variable and its classes."""
        return f"{self.name}: {', '.join(c.name for c in self.classes)}"

    @property
    def states(self) -> tuple[str, ...]:
        """Return the names of the inputs that are fractions of classes, in order."""
        return tuple(dict.fromkeys(name for c in self.classes for name in c.states))

    @property
    def coarse_inputs(self) -> tuple[str, ...]:
        """Return the states."""
        return self.states

    @property
    def fraction_inputs(self) -> tuple[str, ...]:
        """Return the states."""
        return self.states

    @property
    def whole_cells(self) -> bool:
        """Return whether fractions are conserved."""
        return self.conserve

    @property
    def layers(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    @property
    def guess_channels(self) -> int:
        """Return two for each class.

        They are the logarithm of its interpolated fraction, and how far its coarse cell's
        fraction differs.
        """
        return 2 * len(self.classes)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Return the distinct sets of states that classes share, in order."""
        return tuple(dict.fromkeys(c.states for c in self.classes))

    @property
    def class_groups(self) -> tuple[int, ...]:
        """Return for each class the position of its states in :attr:`groups`."""
        return tuple(self.groups.index(c.states) for c in self.classes)


class Classes(ClassMap):
    """A map of classes, each with a probability, from the inputs of its own date."""

    kind: Literal["classes"] = "classes"


class Changes(ClassMap):
    """A map of classes that follows from the map of another year, the prior map.

    Attributes
    ----------
    prior : str
        Name of the input that is the prior map.
    steps : tuple of int
        Fewest and most years between the two maps in the training data.
    backward : bool
        Whether it was trained on prior maps of later years, too.
    transitions : tuple of tuple of float
        How much more or less often a pixel of a class (row) changes to another (column) than
        pixels change on average; empty where that is not known.
    threshold : float
        Where classes exchange pixels beyond the net change: a pixel keeps its class for this part
        of its probability.
    """

    kind: Literal["changes"] = "changes"
    prior: VariableName = "prior"
    steps: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (1, 1)
    backward: bool = True
    transitions: tuple[tuple[Annotated[float, Field(ge=0)], ...], ...] = ()
    threshold: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _check_transitions(self) -> Self:
        count = len(self.classes)
        if self.transitions and {count} != {len(self.transitions), *map(len, self.transitions)}:
            raise ValueError(f"transitions must be {count} rows of {count} numbers")
        return self

    @property
    def prior_states(self) -> tuple[str, ...]:
        """Return the names of the states at the date of the prior map."""
        return tuple(f"{name}{PRIOR_SUFFIX}" for name in self.states)

    @property
    def coarse_inputs(self) -> tuple[str, ...]:
        """Return the states of both dates."""
        return (*self.states, *self.prior_states)

    @property
    def bounded_inputs(self) -> tuple[str, ...]:
        """Return the states of both dates."""
        return self.coarse_inputs

    @property
    def fine_inputs(self) -> tuple[str, ...]:
        """Return the prior map."""
        return (self.prior,)

    @property
    def guess_channels(self) -> int:
        """Return two for each class and two more.

        How likely the class is, and how it changes in the cell; how the class of the prior map
        changes there, and the net change of all.
        """
        return 2 * len(self.classes) + 2


class NumberVariable(Schema):
    """One continuous variable.

    Attributes
    ----------
    name, standard_name, long_name, units, cell_methods
        As in CF.
    valid_range : tuple of float
        The map never leaves it.
    coarse : str, optional
        The input, in the same units, that this is a finer picture of. The first guess is its
        interpolation; without one it is ``offset``.
    offset, scale : float
        The network gives corrections in units of ``scale``.
    """

    name: VariableName
    standard_name: str = ""
    long_name: str = ""
    units: Name = "1"
    cell_methods: str = "area: mean"
    valid_range: tuple[float, float]
    coarse: str | None = None
    offset: float = 0.0
    scale: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.valid_range[0] < self.valid_range[1]:
            raise ValueError(f"valid_range of {self.name!r} is empty: {self.valid_range}")
        return self


class Numbers(Outputs):
    """Maps of continuous variables.

    Attributes
    ----------
    variables : tuple of NumberVariable
    conserve : bool
        Whether the mean over each coarse cell is made to agree with the coarse input.
    period : {"year", "month"}
        What a time step stands for.
    """

    kind: Literal["numbers"] = "numbers"
    variables: Annotated[tuple[NumberVariable, ...], Field(min_length=1)]
    conserve: bool = False
    period: Literal["year", "month"] = "year"

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [variable.name for variable in self.variables]
        if taken := sorted({*names} & {*RESERVED_NAMES}):
            raise ValueError(f"the outputs cannot be called {', '.join(taken)}")
        if len({*names}) < len(names):
            raise ValueError("two outputs have one name")
        if self.conserve and not all(variable.coarse for variable in self.variables):
            raise ValueError("conserve needs a coarse input for each output")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the variables."""
        return tuple(variable.name for variable in self.variables)

    @property
    def summary(self) -> str:
        """Return the variables and their units."""
        return ", ".join(f"{v.name} ({v.units})" for v in self.variables)

    @property
    def coarse_inputs(self) -> tuple[str, ...]:
        """Return the coarse inputs that the first guess is made from."""
        return tuple(dict.fromkeys(v.coarse for v in self.variables if v.coarse))

    @property
    def whole_cells(self) -> bool:
        """Return whether means over coarse cells are conserved."""
        return self.conserve

    @property
    def layers(self) -> int:
        """Return the number of variables."""
        return len(self.variables)

    @property
    def guess_channels(self) -> int:
        """Return two for each variable with a coarse input.

        They are its first guess, and how far the coarse cell's value differs.
        """
        return 2 * sum(variable.coarse is not None for variable in self.variables)


def flags(classes: Sequence[OutputClass]) -> dict[str, Any]:
    """Return ``flag_values`` (uint8), ``flag_meanings`` and ``flag_colors`` of a legend."""
    return {
        "flag_values": np.array([c.value for c in classes], np.uint8),
        "flag_meanings": " ".join(c.name for c in classes),
        "flag_colors": " ".join(c.colour for c in classes),
    }
