"""Choose the engine, and get its operators."""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec
from typing import Literal

from xai4land.errors import InputError
from xai4land.regridding.grids import Horizontal, Regular
from xai4land.regridding.operators import Operator
from xai4land.regridding.projected import Projected, make_projected_operator
from xai4land.regridding.weights import get_or_make

__all__ = ["Engine", "Kind", "choose_engine", "get_operator"]

logger = logging.getLogger(__name__)

Engine = Literal["auto", "xesmf", "xarray-regrid"]
Kind = Literal["overlap", "bilinear"]


def choose_engine(engine: str) -> str:
    """Return the name of the engine to use.

    Raises
    ------
    InputError
        If there is no such engine, or it is not installed.
    """
    if engine == "auto":
        return "xesmf" if not _xesmf_problem() else "xarray-regrid"
    if engine not in ("xesmf", "xarray-regrid"):
        raise InputError(f"engine={engine!r} is none of 'auto', 'xesmf', 'xarray-regrid'")
    if engine == "xesmf" and (why := _xesmf_problem()):
        raise InputError(
            f"engine='xesmf' is not available ({why}); run: conda install -c conda-forge xesmf"
        )
    return engine


@cache
def _xesmf_problem() -> str:
    """Return why xESMF cannot be used; empty if it can."""
    try:
        import esmpy  # noqa: F401
    except Exception as error:  # an ESMPy that does not find its library raises many things
        return f"esmpy: {error}"
    return "" if find_spec("xesmf") is not None else "No module named 'xesmf'"


def get_operator(engine: str, kind: Kind, source: Horizontal, target: Horizontal) -> Operator:
    """Get the operator for area means or bilinear interpolation, made once for each pair of grids.

    Raises
    ------
    InputError
        If the engine cannot regrid between these grids.
    """
    key = engine, kind, source.digest, target.digest
    logger.debug("regrid %s -> %s: %s by %s", source.shape, target.shape, kind, engine)
    return get_or_make(key, lambda: _make_operator(engine, kind, source, target))


def _make_operator(engine: str, kind: Kind, source: Horizontal, target: Horizontal) -> Operator:
    if engine == "xesmf":
        from xai4land.regridding.esmf import make_esmf_operator

        return make_esmf_operator(kind, source, target)
    if isinstance(source, Projected) and isinstance(target, Regular) and kind == "overlap":
        return make_projected_operator(source, target)
    if not isinstance(source, Regular) or not isinstance(target, Regular):
        which = "source" if not isinstance(source, Regular) else "target"
        raise InputError(
            f"the {which} is curvilinear, which engine='xarray-regrid' cannot do; "
            "install the other: conda install -c conda-forge xesmf"
        )
    if kind == "overlap":
        from xai4land.regridding.overlap import make_overlap_operator

        return make_overlap_operator(source, target)
    if min(source.shape) < 2:
        raise InputError(
            f"the source has {source.shape} cells, bilinear needs 2 x 2; use method='nearest'"
        )
    from xai4land.regridding.interpolation import Bilinear

    return Bilinear(source, target)
