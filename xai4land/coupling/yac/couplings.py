"""Checks of the couplings of an emulator: interpolation that fits the values, steps that meet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xai4land.coupling.clock import Clock
from xai4land.coupling.yac.ports import Port
from xai4land.errors import InputError
from xai4land.settings import read_settings

__all__ = ["ISO_STEPS", "check_couplings", "step_fits"]

ISO_STEPS = {"year": "P1Y", "month": "P1M", "day": "P1D"}
DURATION = re.compile(
    r"\+?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?"
)
SECONDS = {"millisecond": 0.001, "second": 1, "minute": 60, "hour": 3600}
DAY = 86400
YEAR_DAYS = {"noleap": 365, "360_day": 360}


def step_fits(text: str, clock: Clock) -> bool:
    """Tell whether a component with a time step is there at all dates of a clock.

    Parameters
    ----------
    text : str
        ISO 8601, as ``P1M`` or ``PT30M``.

    Examples
    --------
    >>> years = Clock.of(1850, 1870, "year", "noleap")
    >>> step_fits("P1M", years), step_fits("P5D", years), step_fits("P30D", years)
    (True, True, False)
    """
    months, seconds = _read_duration(text)
    whole = {"year": 12, "month": 1, "day": 0}[clock.unit]
    if months:
        return not seconds and whole % months == 0 and whole > 0
    days = {"month": 30 if clock.calendar == "360_day" else 1}.get(clock.unit, 1)
    if clock.unit == "year":
        days = YEAR_DAYS.get(clock.calendar, 1)
    return seconds > 0 and (days * DAY) % seconds == 0


def check_couplings(path: Path, component: str, ports: Sequence[Port], clock: Clock) -> None:
    """Check those couplings of a file of YAC that concern a component.

    Maps of classes go by the nearest neighbour alone, fractions by conservative remapping.

    Raises
    ------
    InputError
        Listing interpolation that fits no such values, periods that are not the step, lags, and
        fields that the component has not.
    """
    content = read_settings(path)
    found = {port.field: port for port in ports}
    unit = str(content.get("timestep_unit", "ISO_format"))
    problems: list[str] = []
    for couple in _list_couples(content, path):
        for side, field in couple.sides(component):
            where = f"{path.name}: the coupling of {field!r}"
            if field not in found:
                problems.append(
                    f"{where}: component {component!r} has no such field, expected one of "
                    f"{', '.join(found)}"
                )
                continue
            problems += _check_couple(couple.settings, side, found[field], clock, unit, where)
    InputError.raise_if(problems)


def _check_couple(
    settings: Mapping[str, Any], side: str, port: Port, clock: Clock, unit: str, where: str
) -> Iterator[str]:
    period = _format_period(settings.get("coupling_period", ""), unit)
    step = ISO_STEPS[clock.unit]
    if _try_duration(period) != _read_duration(step):
        yield f"{where}: coupling_period {period!r}, expected {step}, the step of the emulator"
    if settings.get(f"{side}_lag", 0):
        yield (
            f"{where}: {side}_lag moves the dates of the emulator; leave it out, and set lag: 1 "
            "in the part yac: for outputs of the step before"
        )
    methods = [_read_method(method) for method in settings.get("interpolation") or []]
    if problem := _find_misfit(methods, port):
        yield f"{where}: {problem}"
    if port.kind == "classes" and ("scale_factor" in settings or "scale_summand" in settings):
        yield f"{where}: scaled classes are no classes; leave scale_factor and scale_summand out"


def _find_misfit(methods: Sequence[tuple[str, Mapping[str, Any]]], port: Port) -> str:
    """Return what is wrong with an interpolation, or nothing; ``fixed`` may follow it."""
    names = [name for name, _ in methods if name != "fixed"]
    options = dict(methods).get(names[0], {}) if names else {}
    shown = ", ".join(name for name, _ in methods) or "none"
    if port.kind == "classes" and (names != ["nnn"] or options.get("n", 1) != 1):
        return (
            f"interpolation {shown} of a map of classes, whose values cannot be averaged; "
            "expected nnn with n: 1, or couple pixel_fractions conservatively"
        )
    if port.kind == "fractions" and (names != ["conservative"] or options.get("order", 1) != 1):
        return (
            f"interpolation {shown} of area fractions, which keeps no areas; expected "
            "conservative with order: 1"
        )
    return ""


@dataclass(frozen=True)
class _Couple:
    """An entry of the list of couplings; a field is named alike or differently on its sides."""

    settings: Mapping[str, Any]

    def sides(self, component: str) -> Iterator[tuple[str, str]]:
        """Return ``src`` or ``tgt``, and the field there, where the component is one of both."""
        fields = self.settings.get("field", [])
        for side, other in (("src", "source"), ("tgt", "target")):
            named = self.settings.get(other)
            named = named.get("component") if isinstance(named, Mapping) else None
            if self.settings.get(f"{side}_component", named) != component:
                continue
            for field in fields if isinstance(fields, list) else [fields]:
                yield side, str(field[side] if isinstance(field, Mapping) else field)


def _list_couples(content: Mapping[str, Any], path: Path) -> list[_Couple]:
    couples = content.get("coupling")
    if not isinstance(couples, list) or not all(isinstance(c, Mapping) for c in couples):
        raise InputError(f"{path} has no list coupling:, expected couplings as YAC reads them")
    return [_Couple(couple) for couple in couples]


def _read_method(method: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(method, Mapping) and len(method) == 1:
        name, options = next(iter(method.items()))
        return str(name), options if isinstance(options, Mapping) else {}
    return str(method), {}


def _format_period(value: Any, unit: str) -> str:
    if unit in SECONDS and str(value).isdigit():
        return f"PT{round(int(value) * SECONDS[unit])}S"
    return str(value)


def _try_duration(text: str) -> tuple[int, int] | None:
    try:
        return _read_duration(text)
    except InputError:
        return None


def _read_duration(text: str) -> tuple[int, int]:
    """Return months and seconds; a fraction of a second counts as none."""
    match = DURATION.fullmatch(text)
    if not match or text.endswith(("P", "T")):
        raise InputError(f"{text!r} is no duration in ISO 8601, expected one such as P1Y or PT30M")
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 12 * years + months, days * DAY + hours * 3600 + minutes * 60 + seconds
