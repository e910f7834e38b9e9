"""Two copies of PROJ in one process: pyproj's must be loaded first.

The wheels of ecCodes, which cfgrib reads GRIB by, load a copy of PROJ for all libraries of the
process to see. xarray loads cfgrib when it opens any file. A pyproj that is loaded later uses
that copy in part: it finds no database, and the process crashes, at its end if not before.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["load_pyproj_first"]


def load_pyproj_first() -> None:
    """Load pyproj, where both are installed and ecCodes has not been loaded yet.

    Examples
    --------
    >>> load_pyproj_first()
    """
    if "eccodes" in sys.modules or find_spec("eccodeslib") is None or find_spec("pyproj") is None:
        return
    import pyproj  # noqa: F401
