"""Which emulators can be had: those that plugins bundle, and those of registries."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from xai4land.discovery import emulator_files
from xai4land.downloads import fetch
from xai4land.downloads.urls import redact
from xai4land.emulator.registry import Entry, display_place, locate, read_registry
from xai4land.errors import EmulatorFileError, Xai4landError
from xai4land.options import get_options

__all__ = ["Offer", "find", "list_bundled", "list_registered"]

OWN_REGISTRY = str(Path(__file__).with_name("registry.json"))


@dataclass(frozen=True)
class Offer:
    """An emulator that can be had.

    Attributes
    ----------
    name, source : str
        The source is "bundled", or a registry's name.
    file : Path
        Where it lies, or will.
    url : str
        Where it comes from, if from elsewhere.
    entry : Entry or None
        What the registry says of it.
    """

    name: str
    source: str
    file: Path
    url: str = ""
    entry: Entry | None = None

    @property
    def version(self) -> str:
        """As the registry says; a bundled one has its package's."""
        return self.entry.version if self.entry else ""

    @property
    def full_name(self) -> str:
        """A name that means this one alone."""
        return f"{self.source}:{self.name}" + (f"@{self.version}" if self.version else "")

    @property
    def here(self) -> bool:
        """Whether the file is here; its hash is looked at when it is used."""
        return self.file.is_file()

    def get(self) -> None:
        """Download the file, if it is not here, and print the card before.

        Raises
        ------
        DownloadError, StoreError
            As :func:`xai4land.downloads.fetch`.
        """
        if self.entry is None or not self.url:
            return
        if not (self.here or get_options().offline):
            print(self.card, file=sys.stderr)
        command = f"xai4land emulators pull {self.full_name}"
        fetch(self.url, self.entry.sha256, size=self.entry.size, command=command)

    @property
    def card(self) -> str:
        """What the registry says of it, readable."""
        assert self.entry is not None
        entry = self.entry
        rows = [
            ("title", entry.title),
            ("kind", entry.kind),
            ("gives", entry.gives),
            ("resolution", entry.grid),
            ("learned from", entry.learned_from),
            ("licence", entry.licence),
            ("size", f"{entry.size / 1e6:.2f} MB"),
            ("from", redact(self.url) if self.url else str(self.file)),
            ("sha256", entry.sha256),
        ]
        lines = [f"  {name:<13} {text}" for name, text in rows if text]
        title = f"<emulator {self.name!r} {self.version} of the registry {self.source!r}>"
        return "\n".join([title, *lines])


def list_bundled() -> tuple[list[Offer], dict[str, str]]:
    """Return what plugins bundle, and the names that are broken, with reasons."""
    files, broken = emulator_files()
    return [Offer(name, "bundled", path) for name, path in sorted(files.items())], broken


def list_registered(download: bool) -> tuple[list[Offer], dict[str, str]]:
    """Return what registries have, and the registries that are broken, with reasons.

    Parameters
    ----------
    download : bool
        Whether registries that are not here may be downloaded.
    """
    offers: list[Offer] = []
    broken: dict[str, str] = {}
    places: dict[str, str] = {}
    for place in (OWN_REGISTRY, *get_options().registries):
        try:
            registry = read_registry(place, download)
            other = places.setdefault(registry.name, place)
            if other != place:
                raise EmulatorFileError(
                    f"two registries are called {registry.name!r}: {display_place(other)} and "
                    f"{display_place(place)}; leave one out"
                )
            offers += [_make_offer(entry, registry.name, place) for entry in registry.emulators]
        except Xai4landError as error:
            broken[display_place(place)] = str(error)
    return offers, broken


def _make_offer(entry: Entry, registry: str, place: str) -> Offer:
    url, file = locate(entry, place)
    return Offer(entry.name, registry, file, url, entry)


def find(wanted: str) -> Offer:
    """Find the emulator that ``name``, ``name@version`` or ``registry:name@version`` means.

    A name alone means the bundled emulator, if there is one: no registry can take its place.
    Without a version the newest is meant that is no pre-release.

    Raises
    ------
    EmulatorFileError
        If there is none, or several registries have one.
    """
    source, name, version = _parse(wanted)
    offers, broken = list_bundled()
    if name in broken and source in ("", "bundled"):
        raise EmulatorFileError(broken[name])
    found = [offer for offer in offers if offer.name == name and source in ("", "bundled")]
    if found and not version:
        return found[0]
    if source != "bundled":
        more, broken = list_registered(download=True)
        offers += more
        found = [o for o in more if o.name == name and source in ("", o.source)]
    fitting = [offer for offer in found if offer.entry and _is_version(offer.version, version)]
    sources = sorted({offer.source for offer in fitting})
    if len(sources) > 1:
        raise EmulatorFileError(
            f"the registries {' and '.join(sources)} both have an emulator {name!r}; "
            f"write {sources[0]}:{name}"
        )
    if not fitting:
        raise EmulatorFileError(_say_what_there_is(wanted, offers, found, broken))
    return max(fitting, key=lambda o: (not Version(o.version).is_prerelease, Version(o.version)))


def _parse(wanted: str) -> tuple[str, str, str]:
    parts = re.fullmatch(r"(?:([^:@/]+):)?([^:@/]+)(?:@([^:@/]+))?", wanted)
    if parts is None:
        return "", wanted, ""
    return parts[1] or "", parts[2], parts[3] or ""


def _is_version(version: str, wanted: str) -> bool:
    try:
        return not wanted or Version(version) == Version(wanted)
    except InvalidVersion:
        return False


def _say_what_there_is(
    wanted: str, offers: Sequence[Offer], found: Sequence[Offer], broken: dict[str, str]
) -> str:
    """Say why there is no such emulator, and what there is."""
    if versions := [offer.version for offer in found if offer.version]:
        said = f"there is no {wanted!r}, but the versions {', '.join(versions)}"
    elif found:
        said = f"the bundled emulator {found[0].name!r} has no versions of its own; leave out the @"
    else:
        names = ", ".join(sorted({offer.name for offer in offers})) or "none"
        said = (
            f"no emulator is called {wanted!r}; there are {names}, or give the path or the "
            "https://…#sha256=… of a .safetensors file"
        )
    return "; ".join([said, *broken.values()])
