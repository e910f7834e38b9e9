"""Downloads that are checked by hash, go on where they were cut off, and lie in one folder."""

from xai4land.downloads.pinned import cached_path, fetch
from xai4land.downloads.unpinned import fetch_unpinned
from xai4land.downloads.urls import split_hash

__all__ = ["cached_path", "fetch", "fetch_unpinned", "split_hash"]
