"""Which engine gives the operator."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Literal

from xai4land.errors import InputError
from xai4land.regridding.grids import Horizontal, Regular
from xai4land.regridding.operators import Operator
from xai4land.regridding.weights import remembered

__all__ = ["Engine", "Kind", "choose_engine", "operator"]

Engine = Literal["auto", "xesmf", "xarray-regrid"]
Kind = Literal["overlap", "bilinear"]


def choose_engine(engine: str) -> str:
    """The engine by its name, or the one that is there.

    Raises
    ------
    InputError
        If there is no such engine, or it is not installed.
    """
    if engine == "auto":
        return "xesmf" if not _missing() else "xarray-regrid"
    if engine not in ("xesmf", "xarray-regrid"):
        raise InputError(f"engine={engine!r} is none of 'auto', 'xesmf', 'xarray-regrid'")
    if engine == "xesmf" and (why := _missing()):
        raise InputError(
            f"engine='xesmf' is not to be had ({why}); run: conda install -c conda-forge xesmf"
        )
    return engine


@cache
def _missing() -> str:
    """Why xESMF cannot be used, or nothing."""
    try:
        import esmpy  # noqa: F401
    except Exception as error:  # an ESMPy that does not find its library raises many things
        return f"esmpy: {error}"
    return "" if find_spec("xesmf") is not None else "No module named 'xesmf'"


def operator(engine: str, kind: Kind, source: Horizontal, target: Horizontal) -> Operator:
    """Weights for area means or bilinear interpolation.

    Raises
    ------
    InputError
        If the engine cannot do it on these grids.
    """
    key = engine, kind, source.digest, target.digest
    return remembered(key, lambda: _made(engine, kind, source, target))


def _made(engine: str, kind: Kind, source: Horizontal, target: Horizontal) -> Operator:
    if engine == "xesmf":
        from xai4land.regridding.esmf import esmf_operator

        return esmf_operator(kind, source, target)
    if not isinstance(source, Regular) or not isinstance(target, Regular):
        which = "source" if not isinstance(source, Regular) else "target"
        raise InputError(
            f"the {which} is curvilinear, which engine='xarray-regrid' cannot do; "
            "install the other: conda install -c conda-forge xesmf"
        )
    if kind == "overlap":
        from xai4land.regridding.overlap import overlap

        return overlap(source, target)
    if min(source.shape) < 2:
        raise InputError(
            f"the source has {source.shape} cells, bilinear needs 2 x 2; use method='nearest'"
        )
    from xai4land.regridding.interpolation import Bilinear

    return Bilinear(source, target)
