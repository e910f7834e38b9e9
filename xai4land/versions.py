"""What a bug report needs to say about the machine."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["show_versions"]

PACKAGES = (
    "xai4land",
    "xarray",
    "numpy",
    "dask",
    "distributed",
    "torch",
    "zarr",
    "netCDF4",
    "cf-xarray",
    "pint",
    "pydantic",
    "safetensors",
    "matplotlib",
    "xarray-regrid",
    "xesmf",
    "esmpy",
    "cfgrib",
)


def show_versions() -> None:
    """Print the versions of Python, of xai4land and of what it stands on.

    Examples
    --------
    >>> import xai4land
    >>> xai4land.show_versions()  # doctest: +ELLIPSIS
    package ... version
    ...
    """
    rows = [("python", platform.python_version()), ("platform", platform.platform())]
    for package in PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            rows.append((package, "not installed"))
    print("\n".join(f"{name:<14} {found}" for name, found in [("package", "version"), *rows]))
