"""Files that are whole or not there, and what is said where they cannot be written."""

from __future__ import annotations

import errno
import os

import pytest

from xai4land import StoreError
from xai4land.files import move_into_place, replace_file, translate_os_errors, write_file


def test_a_file_keeps_its_content_until_another_is_whole(tmp_path):
    path = tmp_path / "note.txt"
    write_file(path, "old")

    def stop_half_way():
        with replace_file(path) as draft:
            draft.write_text("ne")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_half_way()
    assert path.read_text() == "old"
    write_file(path, b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_drafts_of_several_writers_do_not_meet(tmp_path):
    path = tmp_path / "note.txt"
    with replace_file(path) as first, replace_file(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the one that ended last
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_by_another(tmp_path):
    for name in ("whole", "map.zarr", "aside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    move_into_place(tmp_path / "whole", tmp_path / "map.zarr", tmp_path / "aside")
    assert (tmp_path / "map.zarr" / "content").read_text() == "whole"
    assert (tmp_path / "aside" / "content").read_text() == "map.zarr"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EACCES, "Permission denied; ask the owner"),
        (errno.ENOSPC, r"No space left on device \(\d+\.\d MB free there\); ask the owner"),
    ],
)
def test_what_the_file_system_refuses_is_said_with_what_to_do(tmp_path, code, said):
    path = tmp_path / "map.zarr"
    with (
        pytest.raises(StoreError, match=f"could not write {path}: {said}"),
        translate_os_errors(path, "ask the owner"),
    ):
        raise OSError(code, os.strerror(code))
