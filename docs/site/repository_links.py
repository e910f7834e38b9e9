"""Links that are right on GitHub, made right on the site."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

__all__ = ["setup"]

TREE = "https://github.com/xai4land/xai4land/blob/main/"


def convert_links(app: Sphinx, page: str, source: list[str]) -> None:
    """Lead to a script's page in the gallery, and to the repository where a file is not in docs."""
    text = re.sub(r"\]\(gallery/README\.rst\)", "](examples/index.rst)", source[0])
    text = re.sub(r"\]\(gallery/(\w+/\w+)\.py\)", r"](examples/\1.rst)", text)
    source[0] = text if "/" in page else text.replace("](../", f"]({TREE}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", convert_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
