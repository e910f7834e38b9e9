"""Catalogs by name: those that come with the package, the sample, and any file."""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from xai4land.catalogs.copies import local_copies
from xai4land.errors import InputError
from xai4land.options import current
from xai4land.schemes import LOCAL, REMOTE

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore
    from intake_esm.derived import DerivedVariableRegistry

__all__ = ["PACKAGED", "open_catalog", "rebuilt", "refresh_table"]

PACKAGED = ("cmip6", "era5", "land", "sample")


def open_catalog(
    name: str | os.PathLike[str], *, registry: DerivedVariableRegistry | None = None, **how: Any
) -> esm_datastore:
    """Open a catalog: the datastore of intake-esm, search and all.

    Parameters
    ----------
    name : str or path-like
        ``"cmip6"`` (Zarr in the public cloud archive), ``"era5"``, ``"land"`` (LUH2, HILDA+ and
        fixed fields: files to download), ``"sample"`` (small stores that are made in the cache
        folder, for trying things out offline), or the path or https address of a catalog's JSON.
        Assets that were prefetched are taken from the cache folder.
    registry : intake_esm.DerivedVariableRegistry, optional
        Derived variables.
    **how
        For ``intake_esm.esm_datastore``.

    Returns
    -------
    intake_esm.esm_datastore
        Nothing but the table is read.

    Raises
    ------
    InputError
        If there is no such catalog, it is no catalog of intake-esm, or one from the network names
        files of this machine.
    StoreError
        If its table is not here and cannot be downloaded.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("land")
    >>> found = cat.search(source_id="LUH2-v2f", experiment_id="ssp245", variable_id="primf")
    >>> found.df.path[0].split("/")[-1][:15]
    'multiple-states'
    """
    datastore = _datastore()
    if registry is not None:
        how["registry"] = registry
    made: esm_datastore
    if str(name) in PACKAGED:
        description, table = _packaged(str(name))
        made = datastore({"esmcat": description, "df": table}, **how)
    else:
        made = _own(datastore, str(name), how)
    return _with_copies(made)


def refresh_table(name: str, *, progress: bool = True) -> None:
    """Download the newest table of a catalog whose table is published elsewhere.

    Raises
    ------
    InputError
        If the catalog's table comes with the package.
    """
    address = ""
    if name in PACKAGED and name != "sample":
        description = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
        address = str(description["catalog_file"])
    if not address.startswith("https://"):
        raise InputError(f"the table of {name!r} is not downloaded; leave --refresh out")
    from xai4land.catalogs.prefetching import fetch_table

    fetch_table(name, address, refresh=True, progress=progress)


def rebuilt(store: esm_datastore, table: pd.DataFrame) -> esm_datastore:
    """The same catalog with other rows."""
    description = store.esmcat.model_dump(exclude={"catalog_dict", "catalog_file"})
    made = type(store)(
        {"esmcat": description, "df": table.reset_index(drop=True)},
        registry=store.derivedcat,
        sep=store.sep,
        progressbar=store.progressbar,
    )
    made._requested_variables = list(store._requested_variables)
    return made


def _datastore() -> Any:
    try:
        from intake_esm.core import esm_datastore
    except ImportError as error:
        raise InputError(
            f"catalogs need intake-esm, which cannot be imported ({error}); "
            "pip install 'xai4land[catalog]'"
        ) from error
    return esm_datastore


def _packaged(name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """Description and table of a catalog that comes with the package."""
    path = Path(__file__).with_name(f"{name}.json")
    if name == "sample":
        from xai4land.samples.stores import sample_catalog

        path = sample_catalog()
    description = json.loads(path.read_text())
    place = description.pop("catalog_file")
    if place.startswith("https://"):
        from xai4land.catalogs.prefetching import fetch_table

        path = fetch_table(name, place)
    else:
        path = path.with_name(place)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table:
        if len(table) and table[column].iloc[0].startswith("["):
            table[column] = [tuple(ast.literal_eval(text)) for text in table[column]]
    return description, table


def _own(datastore: Any, name: str, how: dict[str, Any]) -> esm_datastore:
    """A user's catalog."""
    remote = re.match(r"([a-z0-9]+)://", name)
    if remote is None and not name.endswith(".json"):
        raise InputError(
            f"no catalog is called {name!r}; there are {', '.join(PACKAGED)}, or give "
            "the path of a catalog's .json"
        )
    if remote is None and not Path(name).is_file():
        raise InputError(f"there is no file {name}; give the path of a catalog's .json")
    away = remote is not None and remote[1] not in LOCAL
    if away and (reason := _refused(name)):
        raise InputError(f"{name} is not opened: {reason}; give an https address, or a path")
    if away and current().offline:
        raise InputError(f"{name} is away and xai4land is offline; copy the catalog here")
    made: esm_datastore
    try:
        made = datastore(name, **how) if remote else _beside(datastore, Path(name), how)
    except (ValueError, TypeError, AttributeError, KeyError, OSError, AssertionError) as error:
        raise InputError(
            f"{name} cannot be read as a catalog of intake-esm: {str(error).splitlines()[0]}"
        ) from error
    _check_addresses(made, away)
    return made


def _beside(datastore: Any, path: Path, how: dict[str, Any]) -> Any:
    """A catalog whose table lies beside it; intake-esm looks in the working folder first."""
    description = json.loads(path.read_text())
    table = description.get("catalog_file", "")
    if "://" not in table and (path.parent / table).is_file():
        description["catalog_file"] = str((path.parent / table).absolute())
    with tempfile.TemporaryDirectory() as folder:
        moved = Path(folder) / path.name
        moved.write_text(json.dumps(description))
        return datastore(str(moved), **how)


def _refused(address: str) -> str:
    """Why an address is not to be opened; empty if it is."""
    from xai4land.downloads.urls import problem

    plain = address.split("://")[0] not in ("http", "https")
    return "" if plain and address.split("://")[0] in REMOTE else problem(address)


def _check_addresses(store: esm_datastore, away: bool) -> None:
    """Refuse addresses that a catalog has no business with."""
    column = store.esmcat.assets.column_name
    addresses = store.df[column].astype(str)
    scheme = addresses.str.extract(r"^([A-Za-z0-9+.:_-]+)://")[0].fillna("")
    strange = ~scheme.isin(REMOTE if away else (*LOCAL, *REMOTE))
    web = scheme.isin(["http", "https"])
    strange |= web & addresses.where(web, "").map(lambda text: bool(text and _refused(text)))
    if strange.any():
        first = store.df[column][strange].iloc[0]
        raise InputError(
            f"{int(strange.sum())} addresses of the catalog are not to be opened, e.g. {first!r}; "
            + (
                "a catalog from the network may not name files of this machine: copy it here first"
                if away
                else f"expected a path or one of {', '.join(REMOTE)}"
            )
        )


def _with_copies(store: esm_datastore) -> esm_datastore:
    """The catalog, with prefetched copies in the place of their addresses."""
    copies = local_copies()
    column = store.esmcat.assets.column_name
    here = store.df[column].isin(list(copies)) if copies else None
    if here is None or not here.any():
        return store
    table = store.df.copy()
    table.loc[here, column] = [copies[address].as_uri() for address in table.loc[here, column]]
    format_column = store.esmcat.assets.format_column_name
    if format_column:
        table.loc[here, format_column] = [
            "zarr" if place.endswith(".zarr") else kind
            for place, kind in zip(
                table.loc[here, column], table.loc[here, format_column], strict=True
            )
        ]
    return rebuilt(store, table)
