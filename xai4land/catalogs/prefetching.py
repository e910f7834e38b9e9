"""Bring assets to the cache folder, for nodes without a network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from xai4land.catalogs.access import LOCAL, scheme_of, storage_options
from xai4land.catalogs.copies import Copy, choose_copy_path, find_copy, list_copies, record_copy
from xai4land.catalogs.harmonising import decode_years, select_years
from xai4land.catalogs.reading import (
    find_variables,
    ignore_harmless_warnings,
    list_formats,
    select_newest,
    select_variables,
)
from xai4land.errors import DownloadError, InputError, StoreError
from xai4land.options import get_options

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = ["prefetch"]

FIRST_PAUSE_SECONDS = 1.0
"""Seconds before the first new try; each one after it waits twice as long."""
ALL_YEARS = (-(10**6), 10**6)
"""A span that no copy of some years has."""
ENCODING = ("units", "calendar", "dtype", "_FillValue")


def prefetch(
    search: esm_datastore, *, years: tuple[int, int] | None = None, progress: bool = True
) -> list[Path]:
    """Copy what a search has found into the cache folder; what is there already stays.

    Files are downloaded and checked by the hash that the catalog tells, or, where nobody publishes
    one, by what the server says of them. Zarr stores are copied chunk by chunk. What was cut off
    goes on with the same call. :func:`open_catalog` then takes the copies, without a network.

    Parameters
    ----------
    search : intake_esm.esm_datastore
    years : tuple of int, optional
        First and last year to copy of Zarr stores; :func:`open_catalog` then gives these alone.
        If a copy has fewer years than are asked for, another is made, and given from then on.
    progress : bool
        Whether to show progress and the time left on standard error.

    Returns
    -------
    list of Path
        The copies; what lies on this machine anyway is not copied.

    Raises
    ------
    InputError
        If nothing was found, or a store has no year that was asked for.
    StoreError, DownloadError
        If it cannot be reached, is not what it should be, or cannot be written.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("sample")
    >>> xai4land.catalogs.prefetch(cat.search(source_id="SAMPLE-A"))  # is here already
    []
    """
    if not len(search.df):
        raise InputError("the search has found nothing; look at cat.unique() for what there is")
    search = select_newest(search)
    column, made = search.esmcat.assets.column_name, []
    copies = list_copies()
    away = {copy.place: address for address, several in copies.items() for copy in several}
    addresses = search.df[column].map(lambda place: away.get(place, str(place)))
    kinds = dict(zip(addresses, list_formats(search), strict=True))
    for address, rows in search.df.groupby(addresses, sort=False):
        names = find_variables(search, rows)
        zarr = kinds[address].startswith("zarr")
        if scheme_of(address) in LOCAL or find_copy(
            copies.get(address, []), names if zarr else (), (years or ALL_YEARS) if zarr else None
        ):
            continue
        _make_copies_folder()
        if zarr:
            copy = _copy_store(address, years, names, progress)
        elif kinds[address] in ("reference", "opendap"):
            raise InputError(
                f"{address} is of format {kinds[address]}, which cannot be copied; open it online"
            )
        else:
            row = rows.iloc[0].to_dict()
            copy = Copy(address, _download(address, row, search.esmcat.id, progress))
        record_copy(copy)
        made.append(copy.path)
    return made


def _make_copies_folder() -> None:
    folder = get_options().cache / "copies"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"could not make {folder}: {error.strerror}; set XAI4LAND_CACHE to a folder that you "
            "can write to"
        ) from error


def _download(address: str, row: dict[str, Any], catalog: str, progress: bool) -> Path:
    from xai4land.downloads import fetch, fetch_unpinned

    command = f"xai4land prefetch {catalog}"
    known = str(row.get("sha256") or "") or (f"md5:{row['md5']}" if row.get("md5") else "")
    if scheme_of(address) not in ("http", "https"):
        return _copy_object(address, known)
    if not known:
        return fetch_unpinned(address, command=command, progress=progress)
    size = int(row["bytes"]) if str(row.get("bytes") or "").isdigit() else None
    return fetch(address, known, size=size, command=command, progress=progress)


def _copy_object(address: str, known: str) -> Path:
    """Copy a file from an object store, by the way that open_store reads it."""
    from xai4land.downloads.cache import hash_file
    from xai4land.downloads.urls import parse_hash
    from xai4land.store.remote import copy_object

    if get_options().offline:
        raise InputError(f"{address} is away and xai4land is offline; prefetch it elsewhere")
    copy = copy_object(address)
    if known:
        algorithm, digits = parse_hash(known)
        if (seen := hash_file(copy, algorithm)) != digits:
            copy.unlink()
            raise DownloadError(
                f"{address} has {algorithm} {seen}, but the catalog says {digits}; nothing was "
                "kept; ask who publishes it"
            )
    return copy


def _copy_store(
    address: str, years: tuple[int, int] | None, names: set[str], progress: bool
) -> Copy:
    """Copy a Zarr store, whole or not under its name; a run that was cut off goes on."""
    from xai4land.store import write

    place = choose_copy_path(address, names, years)
    copy = Copy(address, place, tuple(sorted(names)), years)
    if place.exists():
        return copy
    if get_options().offline:
        raise InputError(f"{address} is away and xai4land is offline; prefetch it elsewhere")
    last: Exception | None = None
    for attempt in range(get_options().retries + 1):
        if attempt:
            time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            write(_open_remote(address, years, names), place, progress=progress)
            return copy
        except InputError:
            raise
        except Exception as error:  # each protocol's library has errors of its own
            last = error
            if isinstance(error, FileNotFoundError | StoreError):
                break
    text = str(last).splitlines()[0] if str(last) else type(last).__name__
    raise StoreError(
        f"could not copy {address}: {text}; what was copied stays, the same call goes on"
    ) from last


def _open_remote(address: str, years: tuple[int, int] | None, names: set[str]) -> xr.Dataset:
    backend = {"storage_options": storage_options(scheme_of(address))}
    how: dict[str, Any] = {"decode_times": False, "decode_coords": "all"}
    with ignore_harmless_warnings():
        data = xr.open_dataset(address, engine="zarr", chunks={}, backend_kwargs=backend, **how)
    data = select_variables(decode_years(data), names)
    if years is not None:
        import cf_xarray  # noqa: F401  (registers .cf)

        times = [n for n in data.cf.coordinates.get("time", []) if n in data.dims]
        for name in times:
            data = select_years(data, years, str(name))
            if not data.sizes[name]:
                raise InputError(
                    f"{address} has no time from {years[0]} to {years[1]}; choose other years"
                )
        data = data.unify_chunks()
    for variable in data.variables.values():
        # Chunks and codecs are those of another format.
        variable.encoding = {k: v for k, v in variable.encoding.items() if k in ENCODING}
    return data
