"""Check that each link and picture of the built site leads to a page, a place on it, or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

ATTRIBUTES = {"a": "href", "link": "href", "img": "src", "script": "src"}


@cache
def parse(page: Path) -> BeautifulSoup:
    """Return a page's elements."""
    return BeautifulSoup(page.read_text(), "lxml")


@cache
def find_anchors(page: Path) -> frozenset[str]:
    """Return the places on a page that links can name."""
    return frozenset(element["id"] for element in parse(page).find_all(id=True))


def find_broken(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere."""
    for element in parse(page).find_all(list(ATTRIBUTES)):
        link = urlsplit(element.get(ATTRIBUTES[element.name], ""))
        if link.scheme or link.netloc:
            continue
        target = page if not link.path else page.parent / unquote(link.path)
        if not target.is_file():
            yield f"{link.geturl()}: no such file"
        elif link.fragment and unquote(link.fragment) not in find_anchors(target.resolve()):
            yield f"{link.geturl()}: no such place on the page"


def main(site: Path) -> None:
    """Print all broken links, and exit with 1 if there are any."""
    pages = sorted(page.resolve() for page in site.rglob("*.html") if "_static" not in page.parts)
    broken = [f"{page}: {text}" for page in pages for text in sorted({*find_broken(page)})]
    print(*broken, sep="\n", end="\n" if broken else "")
    print(f"{len(pages)} pages, {len(broken)} broken links")
    sys.exit(1 if broken or not pages else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
