"""Read files and stores on this machine; what is not complete is refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from xai4land.errors import InputError
from xai4land.store.manifest import LOCKS, ROOTS

__all__ = ["find_container", "open_file"]

GRIB = (".grib", ".grib2", ".grb", ".grb2")
CLASSIC = (b"CDF\x01", b"CDF\x02")
"""What NetCDF files of the classic formats begin with."""
CUT_OFF = "it is damaged or cut off; download it, or write it, again"
REFERENCES = (".json", ".parq", ".parquet")


class Format(NamedTuple):
    """How xarray reads a file."""

    name: str
    address: str
    options: dict[str, Any]


def open_file(path: Path, lazy: bool) -> xr.Dataset:
    """Open a file or store on this machine; see :func:`open_store`."""
    _refuse_unfinished(path)
    file = find_container(path) or path
    found = _find_format(file)
    if file != path:
        found.options["group"] = path.relative_to(file).as_posix()
    try:
        data = xr.open_dataset(found.address, chunks={} if lazy else None, **found.options)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"cannot read {path} as {found.name}: {_explain(error)}") from error
    if file.is_file() and _is_cut_off(file):
        raise InputError(f"{path} is shorter than its header says: {CUT_OFF}")
    if not data.variables:
        raise InputError(_describe_empty(path, found))
    return data


def find_container(path: Path) -> Path | None:
    """Return what exists of a path: itself, or the file whose group it names; None if nothing."""
    if path.exists():
        return path
    return next((folder for folder in path.parents if folder.is_file()), None)


def _find_format(path: Path) -> Format:
    """Return the format of a file, by its ending; folders are Zarr stores."""
    if path.suffix in REFERENCES:
        how = {"consolidated": False, "storage_options": {"fo": str(path)}}
        return Format("references", "reference://", {"engine": "zarr", "backend_kwargs": how})
    if path.suffix == ".zarr" or path.is_dir():
        return Format("a Zarr store", str(path), {"engine": "zarr", "consolidated": False})
    if path.suffix in GRIB:
        if find_spec("cfgrib") is None:
            raise InputError(
                f"{path} is GRIB, which is read by cfgrib, and that is not installed; run: "
                "pip install cfgrib (part of xai4land[grib])"
            )
        # No index file beside the data, whose folder may be read-only or others'.
        return Format("GRIB", str(path), {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}})
    return Format("NetCDF", str(path), {})


def _is_cut_off(path: Path) -> bool:
    """Return whether a classic NetCDF file lacks its end, for which NetCDF's library gives zeros.

    HDF5 refuses such files itself.
    """
    with path.open("rb") as file:
        if file.read(4) not in CLASSIC:
            return False
    from scipy.io import netcdf_file

    try:
        with netcdf_file(path, mmap=True):
            return False
    except (TypeError, ValueError, IndexError):
        return True


def _explain(error: Exception) -> str:
    """Return why a file cannot be read, in a line, and what to do."""
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number < 0:  # NetCDF's own
        return f"{error.args[1]}; {CUT_OFF}"
    if "did not find a match" in str(error):
        return "its content is of another format, or there is none; check how it was made"
    return str(error).splitlines()[0]


def _describe_empty(path: Path, found: Format) -> str:
    """Say that a file has no variables, and which of its groups have."""
    options = {key: value for key, value in found.options.items() if key != "group"}
    within = f"/{found.options['group']}" if "group" in found.options else "/"
    try:
        groups = xr.open_groups(found.address, **options)
    except (ValueError, NotImplementedError, OSError, AttributeError):
        groups = {}
    names = [
        name.removeprefix(within).strip("/")
        for name, group in groups.items()
        if group.variables and name.startswith(within) and name != within
    ]
    if not names:
        return f"{path} has no variables, expected some; was anything written to it?"
    return (
        f"{path} has no variables outside its groups ({', '.join(names)}); choose one: "
        f"{path}/{names[0]}"
    )


def _refuse_unfinished(path: Path) -> None:
    """Unfinished is what lies in ``<name>.partial``, and a store that was taken out of there."""
    whole = path.resolve()
    unfinished = [
        folder
        for folder in (whole, *whole.parents)
        if folder.suffix == ".partial" and (folder == whole or (folder / LOCKS).exists())
    ]
    beside = whole.with_name(f"{whole.name}.partial")
    if not whole.exists() and beside.exists():
        unfinished = [beside]
    if unfinished:
        name = unfinished[0].with_suffix("")
        raise InputError(
            f"{path} is not whole: the run that writes {name} has not ended; let it end, or run "
            "the same again to go on"
        )
    if not whole.is_dir() or any((whole / root).exists() for root in ROOTS):
        return
    for root, inner in (("zarr.json", "zarr.json"), (".zgroup", ".zarray")):
        if any(whole.glob(f"*/{inner}")):
            raise InputError(
                f"{path} is not whole: it has no {root}, which a store gets last; write it again"
            )
