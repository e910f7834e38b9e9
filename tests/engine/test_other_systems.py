"""What Windows and macOS need, as far as it can be held on any system."""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xai4land.downloads.urls import safe_file_name
from xai4land.files import file_url, strip_scheme

ROOT = Path(__file__).parents[2]
PACKAGES = ("xai4land", "plugins/xai4land_land", "plugins/xai4land_seasonal", "catalogs")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
POSIX_ONLY = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios"}
ASCII_ONLY = ("store/manifest.py", "store/targets.py")
"""Read JSON and labels that they have written themselves, in ASCII."""


def list_top_imports(tree: ast.Module) -> set[str]:
    """Return what a module imports when it is imported."""
    plain = [
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    ]
    return {*plain, *(node.module for node in tree.body if isinstance(node, ast.ImportFrom))}


def lacks_encoding(call: ast.Call) -> bool:
    """Tell whether a call reads or writes text in the encoding of the system."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if any(keyword.arg in ("encoding", None) for keyword in call.keywords):
        return False
    values = [value.value for value in call.args if isinstance(value, ast.Constant)]
    if name == "read_text":
        return not call.args
    if name == "write_text":
        return len(call.args) < 2
    return name == "open" and any(re.fullmatch(r"[rwax]t?", str(value)) for value in values)


def test_modules_need_no_posix():
    assert len(SOURCES) > 300
    for path in SOURCES:
        needed = list_top_imports(ast.parse(path.read_text("utf-8"))) & POSIX_ONLY
        assert not needed, f"{path}: {needed}"


def test_modules_name_the_encoding_of_texts():
    for path in SOURCES:
        if path.as_posix().endswith(ASCII_ONLY):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                assert not lacks_encoding(node), f"{path}:{node.lineno}"


@given(st.text(alphabet='abC:/\\?*<>|"%20. \n', max_size=40))
def test_names_of_downloads_are_names_of_files_everywhere(text):
    name = safe_file_name(f"https://host.org/{text}")
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
    assert name not in ("", ".", "..")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        (PurePosixPath("/data/my maps/a.zarr"), "file:///data/my maps/a.zarr"),
        (PureWindowsPath("C:\\data\\a.zarr"), "file:///C:/data/a.zarr"),
    ],
)
def test_addresses_of_files_lead_back_to_them(path, address):
    assert file_url(path) == address
    assert type(path)(strip_scheme(address)) == path
    assert type(path)(strip_scheme(str(path))) == path


def test_a_catalog_in_a_folder_with_a_space_is_opened(tmp_path, monkeypatch):
    import xai4land

    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "my cache"))
    catalog = xai4land.open_catalog("sample")
    found = catalog.search(source_id="SAMPLE-B", table_id="Amon", variable_id="tas")
    assert found.df.path[0].startswith("file:///")
    [data] = xai4land.catalogs.open_search(found)
    assert float(data.tas.isel(time=0).mean()) > 200  # kelvin
