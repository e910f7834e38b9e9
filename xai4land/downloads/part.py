"""What is here of a download that was cut off."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from xai4land.errors import StoreError

__all__ = ["Part"]


class Part:
    """The first bytes of a file, and the server's mark of the version that they are of.

    The mark keeps bytes of two versions from being put together. It is written before the first
    byte, so a killed process leaves no bytes with another's mark.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = path.with_name(f"{path.name}.version")

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def request(self) -> dict[str, str]:
        """Headers that ask for the rest, if it is still the same version."""
        mark = self._mark.read_text("latin-1") if self._mark.exists() else ""
        return {"Range": f"bytes={self.size}-", "If-Range": mark} if mark and self.size else {}

    def begin(self, headers: Mapping[str, str]) -> None:
        """Forget what is here; what comes now is of the version that the headers tell."""
        self._mark.unlink(missing_ok=True)
        self.path.write_bytes(b"")
        # A weak tag says that two versions mean the same, not that they have the same bytes.
        tag = headers.get("ETag", "")
        mark = tag if tag.startswith('"') else headers.get("Last-Modified", "")
        if mark:
            self._mark.write_text(mark, "latin-1")

    def check_room(self, total: int | None) -> None:
        """Look before the download whether the disk holds it.

        Raises
        ------
        StoreError
        """
        free = shutil.disk_usage(self.path.parent).free
        if total is not None and total - self.size > free:
            raise StoreError(
                f"no room for {total / 1e6:.1f} MB in {self.path.parent.parent}, where "
                f"{free / 1e6:.1f} MB are free; make room, or choose another folder by "
                "XAI4LAND_CACHE or xai4land.set_options(cache=...)"
            )
