"""Which forecaster makes a forecast."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import xarray as xr
from dask.delayed import delayed

from xai4land.emulator import load_emulator
from xai4land.errors import InputError
from xai4land_seasonal.data.state import State
from xai4land_seasonal.data.variables import guess_variables
from xai4land_seasonal.emulator.emulator import SeasonalEmulator
from xai4land_seasonal.forecaster import Forecaster
from xai4land_seasonal.members import lazy_history
from xai4land_seasonal.references import REFERENCES
from xai4land_seasonal.references.analogs import Analogs

__all__ = ["choose_forecaster", "use_simulations"]


def choose_forecaster(data: xr.Dataset, emulator: Any) -> Forecaster:
    """Return the forecaster that is named, loaded from a file, or bundled for these data.

    Raises
    ------
    InputError
        If it forecasts no seasons, or no bundled emulator takes the data.
    """
    if isinstance(emulator, str) and emulator in REFERENCES:
        return REFERENCES[emulator]
    if emulator is None:
        return _find_bundled(data)
    if isinstance(emulator, str | os.PathLike):
        emulator = load_emulator(emulator)
    if not isinstance(emulator, Forecaster):
        outputs = getattr(getattr(emulator, "card", None), "gives", repr(emulator))
        raise InputError(
            f"the emulator gives {outputs}, expected one of seasons; or name a reference: "
            f"{', '.join(REFERENCES)}"
        )
    return emulator


def use_simulations(forecaster: Forecaster, simulations: Sequence[State]) -> Any:
    """Return a forecaster that draws from simulations, which are computed once for all years.

    Raises
    ------
    InputError
        If there are simulations, and the forecaster draws from none.
    """
    if not simulations:
        return forecaster
    if not isinstance(forecaster, Analogs):
        raise InputError(
            f"simulations= are drawn from by 'analogs', and the emulator is {forecaster.name!r}; "
            "leave them out, or name emulator='analogs'"
        )
    histories = [lazy_history(state, forecaster.trend) for state in simulations]
    return delayed(forecaster.draw_from, pure=True)(histories)


def _find_bundled(data: xr.Dataset) -> Forecaster:
    """Return the first bundled emulator whose predictors the data have."""
    from xai4land_seasonal.emulators import BUNDLED

    names = {variable.name for variable in guess_variables(data)}
    for path in BUNDLED.values():
        found = load_emulator(path)
        if isinstance(found, SeasonalEmulator) and {v.name for v in found.card.predictors} <= names:
            return found
    raise InputError(
        f"no bundled emulator forecasts from {', '.join(sorted(names))}; give emulator=, fit your "
        f"own with ds.seasonal.fit(), or name a reference: {', '.join(REFERENCES)}"
    )
