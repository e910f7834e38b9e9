"""Files that are whole or not there, and errors of the file system with what to do."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any
from uuid import uuid4

from xai4land.errors import InputError, StoreError, Xai4landError

__all__ = [
    "delete",
    "file_url",
    "local_path",
    "move_into_place",
    "read_tensors",
    "replace_file",
    "strip_scheme",
    "translate_os_errors",
    "write_file",
]

DISK_FULL_CODES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return a path on this machine, with ``~`` as the user's home.

    Raises
    ------
    InputError
        If it is an address elsewhere.

    Examples
    --------
    >>> local_path("~/map.zarr") == Path.home() / "map.zarr"
    True
    """
    text = os.fspath(path)
    scheme, sign, _ = text.partition("://")
    if sign and scheme.isalnum():
        raise InputError(
            f"{text} is not on this machine, expected a local path: data and stores alone may be "
            "elsewhere; give a path, and copy the file"
        )
    return Path(text).expanduser()


def file_url(path: PurePath) -> str:
    """Return the address of an absolute path on this machine, as fsspec reads it.

    Examples
    --------
    >>> from pathlib import PurePosixPath, PureWindowsPath
    >>> file_url(PurePosixPath("/data/a.zarr")), file_url(PureWindowsPath("C:/data/a.zarr"))
    ('file:///data/a.zarr', 'file:///C:/data/a.zarr')
    """
    text = path.as_posix()
    return f"file://{text}" if text.startswith("/") else f"file:///{text}"


def strip_scheme(address: str) -> str:
    """Return the path of an address on this machine, or of a path.

    Examples
    --------
    >>> strip_scheme("file:///data/a.zarr"), strip_scheme("file:///C:/data/a.zarr")
    ('/data/a.zarr', 'C:/data/a.zarr')
    """
    return re.sub(r"^[a-z0-9]+://(/(?=[A-Za-z]:))?", "", address)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give the path of a draft beside a file; it becomes the file when the block has ended well.

    No reader, and no killed process, leaves half a file under its name. The draft of a block that
    raises is deleted.

    Parameters
    ----------
    path : Path
        Of the file; one that exists is replaced.

    Yields
    ------
    Path
        Of the draft, which is not there yet.

    Raises
    ------
    OSError

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "note.txt")
    >>> with replace_file(path) as draft:
    ...     _ = draft.write_text("whole")
    >>> path.read_text(), [entry.name for entry in path.parent.iterdir()]
    ('whole', ['note.txt'])
    """
    draft = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: bytes | str) -> None:
    """Write all of a file (text as UTF-8) or nothing; see :func:`replace_file`."""
    with replace_file(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def read_tensors(
    path: str | os.PathLike[str], key: str, framework: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read tensors, and the JSON that their file's metadata hold under a key.

    Parameters
    ----------
    path : path-like
        A file of safetensors.
    key : str
    framework : {"numpy", "pt"}
        What the tensors are.

    Raises
    ------
    ValueError
        If the file is absent, damaged, or holds no such key.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework) as file:
            facts = json.loads((file.metadata() or {})[key])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ValueError(str(error)) from error
    return tensors, facts


def move_into_place(whole: Path, path: Path, aside: Path) -> None:
    """Give a finished file or folder its name; one that exists is moved aside.

    Parameters
    ----------
    whole, path : Path
        From, to; on one file system.
    aside : Path
        Where to what exists is moved: half of a folder must not be seen under its name.

    Raises
    ------
    OSError
    """
    if path.exists():
        delete(aside)
        path.rename(aside)
    whole.rename(path)


def delete(path: Path) -> None:
    """Delete a file, a folder with all that is in it, or a link; nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def translate_os_errors(path: Path, advice: str | Callable[[], str]) -> Iterator[None]:
    """Turn what the file system refuses into an error that says what to do.

    Parameters
    ----------
    path : Path
        What is being written.
    advice : str or callable
        What to do; called when the error is there.

    Raises
    ------
    StoreError

    Examples
    --------
    >>> with translate_os_errors(Path("/none/map.zarr"), "choose another folder"):
    ...     Path("/none/map.zarr").mkdir()
    Traceback (most recent call last):
    ...
    xai4land.errors.StoreError: could not write /none/map.zarr: No such file or directory; \
choose another folder
    """
    try:
        yield
    except Xai4landError:
        raise
    except OSError as error:
        reason = f"could not write {path}: {error.strerror or error}"
        if error.errno in DISK_FULL_CODES:
            reason += f" ({shutil.disk_usage(path.parent).free / 1e6:.1f} MB free there)"
        raise StoreError(f"{reason}; {advice if isinstance(advice, str) else advice()}") from error
