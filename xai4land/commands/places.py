"""What an argument names: a file or a store here, or one at an address."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from xai4land.errors import InputError, StoreError
from xai4land.files import local_path

__all__ = [
    "Address",
    "Place",
    "check_folder",
    "check_output",
    "check_picture",
    "name_of",
    "open_place",
    "read_existing",
    "read_file",
    "read_place",
    "stem_of",
]


class Address(str):
    """Where a store or a file lies that is not on this machine, such as ``s3://bucket/a.zarr``."""

    __slots__ = ()


Place = Path | Address


def read_place(text: str) -> Place:
    """Return the place that a text names.

    Raises
    ------
    InputError
        If an address has credentials in it.

    Examples
    --------
    >>> read_place("s3://bucket/map.zarr"), read_place("map.zarr") == Path("map.zarr")
    ('s3://bucket/map.zarr', True)
    """
    from xai4land.store.addresses import parse_path

    place = parse_path(text)
    return Address(place) if isinstance(place, str) else place


def read_existing(text: str) -> Place:
    """Return the place that a text names; whether an address leads anywhere is seen when opened.

    Raises
    ------
    InputError
        If an address has credentials in it.
    ValueError
        If there is no such file on this machine.
    """
    place = read_place(text)
    return place if isinstance(place, Address) else read_file(text)


def read_file(text: str) -> Path:
    """Return the path of a file or folder that is on this machine, or of a group in one.

    Raises
    ------
    InputError
        If it is an address elsewhere.
    ValueError
        If there is none.
    """
    from xai4land.store.addresses import parse_path
    from xai4land.store.opening import find_container

    path = parse_path(text)
    if isinstance(path, str):
        path = local_path(text)  # which refuses it
    if find_container(path) is None:
        raise ValueError(text)
    return path


def open_place(value: Any) -> Any:
    """Open what a place names; return what is no place (degrees, a name, nothing) as it is.

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> open_place(0.25), open_place(None)
    (0.25, None)
    """
    from xai4land.store import open_store

    return open_store(value) if isinstance(value, Place) else value


def name_of(place: Place) -> str:
    """Return how a place is named in a record: a file without its folders, an address in full.

    What may be secret of an address is left out.

    Examples
    --------
    >>> name_of(Path("/home/me/states.nc")), name_of(Address("https://host.org/a.nc?token=1"))
    ('states.nc', 'https://host.org/a.nc')
    """
    from xai4land.downloads.urls import redact

    return redact(place) if isinstance(place, Address) else place.name


def stem_of(place: Place) -> str:
    """Return the last part of a place, without its ending.

    Examples
    --------
    >>> stem_of(Address("gs://bucket/CanESM5.zarr"))
    'CanESM5'
    """
    return PurePosixPath(name_of(place)).stem


def check_folder(path: Path) -> None:
    """Check that the folder of a result is there, before the work.

    Raises
    ------
    StoreError
        If the folder is not there.
    """
    if not path.parent.is_dir():
        raise StoreError(f"there is no folder {path.parent}; make it first")


def check_output(out: Place, *inputs: object) -> None:
    """Check the place of a result, before the work: it can be written, and no input is lost.

    Results that were computed from an input no longer know their files; the command does.

    Parameters
    ----------
    out : Path or Address
        Of the result.
    *inputs : object
        What the command reads; what is no place is passed over.

    Raises
    ------
    InputError
        If nothing can be written to such an address.
    StoreError
        If the folder is not there, or the result would lie in, on or around an input.
    """
    from xai4land.store.opening import find_container
    from xai4land.store.places import find_place
    from xai4land.store.targets import refuse_addresses, refuse_inputs

    if isinstance(out, Address):
        find_place(out)
        refuse_addresses(out, {one for one in inputs if isinstance(one, Address)})
        return
    check_folder(out)
    given = (one for one in inputs if isinstance(one, Path))
    refuse_inputs(out, {(find_container(one) or one).resolve() for one in given})


def check_picture(path: Path) -> None:
    """Check the path of a picture, before the work.

    Raises
    ------
    StoreError
        If the folder is not there.
    InputError
        If the ending is not one of a picture.
    """
    check_folder(path)
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"{path} is no picture's name; end it in .png, .pdf or .svg")
