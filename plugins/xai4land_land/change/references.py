"""References that an emulator of change must beat, as emulators without weights.

They see the prior map, and at most what suits its classes, and meet the demand of each coarse cell
by the code that an emulator uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
import xarray as xr
from torch import nn

from xai4land.emulator import Card, Changes, Emulator, Input, Resolution, Window
from xai4land.emulator.outputs import PRIOR_SUFFIX
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_land.change.neighbourhood import gaussian_shares, inverse_square_shares, one_hot
from xai4land_land.legends import Legend, find_legend
from xai4land_land.truth import as_variable

__all__ = ["ChangeRule", "Rule", "change_reference"]

Rule = Literal["persistence", "random", "density", "suitability"]
Constraints = Mapping[str, Mapping[str, float]]
"""Weight of each input, by name of the class."""
SMALLEST_DENSITY = 1e-4
"""Density of a class that is nowhere near."""
LARGEST_STEP = 250
"""Years of a step that a rule is applied to: it knows nothing of time."""


class ChangeRule(nn.Module):
    """A rule that scores where change is likely, in place of a network.

    Parameters
    ----------
    channels, categories, outputs
        As for any architecture; of the codes it sees the first alone, the prior map.
    rule : {"persistence", "random", "density", "suitability"}
        A class stays; all pixels are alike; a class grows where it is dense; or where it is dense
        and constraints suit it.
    radius : float
        Standard deviation of the Gaussian kernel of the density, or reach of that of the
        suitability, in pixels.
    order : sequence of int, optional
        Number of the class at each position among the sorted codes.
    constraints : sequence of (int, int, float)
        For the suitability: class, channel with values from 0 to 1, and weight from -1 to 1.

    Examples
    --------
    >>> rule = ChangeRule(4, [3], 2, rule="density", radius=1.0)
    >>> codes = torch.ones(1, 1, 8, 8, dtype=torch.long)
    >>> codes[..., 4:] = 2
    >>> scores = rule(torch.zeros(1, 4, 8, 8), codes)
    >>> bool((scores[0, 1, :, 3] > scores[0, 1, :, 1]).all())
    True
    """

    def __init__(
        self,
        channels: int,
        categories: Sequence[int],
        outputs: int,
        rule: Rule = "density",
        radius: float = 1.0,
        order: Sequence[int] = (),
        constraints: Sequence[tuple[int, int, float]] = (),
    ) -> None:
        super().__init__()
        if rule not in get_args(Rule) or not 0 < radius <= 32:
            raise ValueError(f"rule={rule!r}, radius={radius}")
        if not all(0 <= k < outputs and 0 <= c < channels for k, c, _ in constraints):
            raise ValueError(f"constraints={list(constraints)}")
        self.constraints = constraints
        self.rule, self.radius, self.outputs = rule, radius, outputs
        self.order = list(order) or list(range(outputs))

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map inputs and codes of the prior map to scores, (batch, outputs, rows, columns)."""
        if self.rule == "random":
            return _noise(codes[:, :1], self.outputs)
        classes = one_hot(codes[:, 0], self.order)
        if self.rule == "persistence":
            return 50 * classes
        if self.rule == "density":
            score = torch.log(gaussian_shares(classes, self.radius) + SMALLEST_DENSITY)
        else:
            around = inverse_square_shares(classes, max(round(self.radius), 1))
            score = 2 * torch.log(self._constrain(around, x) + SMALLEST_DENSITY)
        return torch.where(classes > 0, 0.0, score)  # of what grows alone

    def _constrain(self, density: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of density and constraints, with their weights."""
        total, weights = density.clone(), torch.ones(self.outputs, device=x.device)
        for number, channel, weight in self.constraints:
            value = x[:, channel].float().clamp(0, 1)
            total[:, number] += abs(weight) * (value if weight > 0 else 1 - value)
            weights[number] += abs(weight)
        return total / weights[:, None, None]


def _noise(codes: torch.Tensor, outputs: int) -> torch.Tensor:
    """Return numbers that look random, and are the same for the same prior map."""
    made = []
    for window in codes:
        places = torch.arange(window.numel(), device=window.device)
        seed = int(((window.ravel() + 1) * (places % 8191 + 1)).sum()) % 2**31
        generator = torch.Generator().manual_seed(seed)
        made.append(torch.randn((outputs, *window.shape[-2:]), generator=generator))
    return torch.stack(made).to(codes.device)


def change_reference(
    rule: Rule,
    data: xr.Dataset,
    prior: xr.Dataset | xr.DataArray,
    *,
    radius: float = 1.0,
    constraints: Constraints | None = None,
    static: xr.Dataset | None = None,
    legend: str | Legend | None = None,
) -> Emulator:
    """Return a reference as an emulator for ``reconstruct(prior=...)``.

    Parameters
    ----------
    rule : {"persistence", "random", "density", "suitability"}
        The prior map itself; the least change that meets the demand, placed at random; or placed
        where the class that gains is dense, as in cellular automata; or where it is dense and
        suits the place, by the rules of Demeter (Le Page et al. 2016, Vernon et al. 2018): the
        square of the weighted mean of constraints and kernel density, whose weights fall with the
        square of the distance. Amounts are those of all references, what a coarse cell demands, and
        all classes are placed at once, without Demeter's priority of transitions and its
        split into intensification and expansion, which need fractions in pixels.
    data : Dataset
        The states; and the inputs that constraints name, if not in ``static``.
    prior : Dataset or DataArray
        The map with flags; its classes decide on the legend.
    radius : float
        Standard deviation of the kernel of the density, or reach of that of the suitability, in
        pixels.
    constraints : mapping, optional
        For the suitability: for names of classes the weight of static inputs, which are scaled to
        0 to 1 by their range; from -1, where only low values suit the class, to 1, e.g.
        ``{"cropland": {"elevation": -1.0}}``.
    static : Dataset, optional
        Inputs of constraints that the data do not have, as for ``reconstruct``.
    legend : str or Legend, optional

    Raises
    ------
    InputError
        If the rule is unknown, or states, classes or inputs of constraints are; or if a grid has a
        single cell.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[1990, 2000])
    >>> rule = change_reference("density", planet, planet.land_cover)
    >>> made = planet.ai4land.reconstruct(rule, prior=planet.land_cover.isel(time=0))
    >>> made.sizes["time"]
    2
    """
    if rule not in get_args(Rule):
        names = ", ".join(map(repr, get_args(Rule)))
        raise InputError(f"rule={rule!r}, expected one of {names}")
    array = as_variable(prior)
    classes = find_legend(array, legend).output_classes(data)
    outputs = Changes(classes=classes, steps=(1, LARGEST_STEP), conserve=rule != "persistence")
    given = constraints or {}
    sources = {**(static or {}), **data}
    _check_constraints(given, rule, [c.name for c in classes], sources)
    fraction: dict[str, Any] = {"role": "dynamic", "valid_range": (0.0, 1.0)}
    states = [Input(name=name, **fraction) for name in outputs.states]
    before = [Input(name=f"{spec.name}{PRIOR_SUFFIX}", **fraction) for spec in states]
    values = tuple(sorted(c.value for c in classes))
    order = sorted(range(len(classes)), key=lambda k: classes[k].value)
    used = dict.fromkeys(name for weights in given.values() for name in weights)
    parameters: dict[str, Any] = {"rule": rule, "radius": radius, "order": order}
    card = Card(
        name=f"{rule}-change",
        title="Land cover that follows from a prior map by rule",
        architecture={"name": "change-rule", "parameters": parameters},
        inputs=(
            *states,
            *before,
            Input(name=outputs.prior, role="prior", codes=values),
            *(_describe_constraint(sources[name]) for name in used),
        ),
        outputs=outputs,
        resolution=Resolution(
            target=_find_resolution(array, "the prior map"),
            states=_find_resolution(data[outputs.states[0]], "the states"),
        ),
        window=Window(size=128, overlap=32),
    )
    number = {c.name: k for k, c in enumerate(classes)}
    parameters["constraints"] = [
        [number[name], card.slots[source], weight]
        for name, weights in given.items()
        for source, weight in weights.items()
    ]
    return Emulator(card.with_(architecture={"name": "change-rule", "parameters": parameters}), {})


def _find_resolution(array: xr.DataArray, what: str) -> float:
    found = Grid.of(array, what).resolution
    if not found > 0:
        raise InputError(
            f"{what}: one row and one column, which have no spacing; give two or more of either"
        )
    return found


def _check_constraints(
    constraints: Constraints,
    rule: Rule,
    classes: Sequence[str],
    sources: Mapping[Any, xr.DataArray],
) -> None:
    problems = []
    if constraints and rule != "suitability":
        problems.append(f"rule={rule!r} has no constraints; give rule='suitability'")
    for name, weights in constraints.items():
        if name not in classes:
            problems.append(f"constraints of {name!r}, expected classes {', '.join(classes)}")
        if absent := [source for source in weights if source not in sources]:
            problems.append(
                f"constraints by {', '.join(absent)}, which the data do not have; give static="
            )
        if odd := [weight for weight in weights.values() if not 0 < abs(weight) <= 1]:
            problems.append(f"weights {odd} of {name!r}, expected -1 to 1, and not 0")
    InputError.raise_if(problems)


def _describe_constraint(array: xr.DataArray) -> Input:
    """Return the input, scaled to 0 to 1; its middle where it is missing.

    Raises
    ------
    InputError
        If it has no value.
    """
    low, high = float(array.min()), float(array.max())
    if not low <= high:
        raise InputError(f"variable {array.name!r} has no value; its grid may be another one")
    room = high - low or 1.0
    return Input(
        name=str(array.name),
        role="static",
        units=str(array.attrs.get("units", "1")),
        offset=low,
        scale=room,
        fill=(low + high) / 2,
        valid_range=(low - room, high + room),
    )
