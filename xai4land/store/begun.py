"""What an unfinished store in an object store knows of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from xai4land.store.manifest import Manifest
from xai4land.store.objects import Entry
from xai4land.store.parts import Part
from xai4land.store.pieces import find_keys

__all__ = ["Begun"]


@dataclass(frozen=True)
class Begun:
    """An unfinished store.

    A part is done where a note names its object's mark: then the object is as it was written,
    whatever a run that is over may have put there meanwhile.

    Attributes
    ----------
    manifest : Manifest
    id : str
        Of this beginning: notes of another do not count.
    folder : str
        Where the parts are.
    metadata : dict of str
        The store's own, by key.
    marks : dict of str
        Of the objects with values that were in memory, by key.
    """

    manifest: Manifest
    id: str
    folder: str
    metadata: dict[str, str]
    marks: dict[str, str]

    @classmethod
    def parse(cls, text: bytes) -> Begun:
        """Parse the content of an object."""
        about = json.loads(text)
        return cls(**{**about, "manifest": Manifest(**about["manifest"])})

    def to_bytes(self) -> bytes:
        """Return the content of an object."""
        return json.dumps(asdict(self)).encode()

    def note_of(self, part: Part, mark: str) -> str:
        """Return the name of the note that a part is done, with the mark of its object."""
        return hashlib.sha256(json.dumps([self.id, part.label, mark]).encode()).hexdigest()

    def list_left(
        self, parts: Sequence[Part], notes: set[str], entries: Mapping[str, Entry]
    ) -> list[Part]:
        """List the parts that are not done, or not as they were written.

        Parameters
        ----------
        parts : sequence of Part
        notes : set of str
            Their names.
        entries : mapping
            What a listing of the folder says.
        """
        keys = [f"{self.folder}/{key}" for key in find_keys(self.metadata, parts)]
        marks = [entries[key].mark if key in entries else "" for key in keys]
        return [
            part
            for part, mark in zip(parts, marks, strict=True)
            if self.note_of(part, mark) not in notes
        ]

    def list_foreign(self, parts: Sequence[Part], entries: Mapping[str, Entry]) -> list[str]:
        """List what lies in the folder and is none of the store's."""
        own = {*find_keys(self.metadata, parts), *self.marks, *self.metadata}
        return sorted(entries.keys() - {f"{self.folder}/{key}" for key in own})
