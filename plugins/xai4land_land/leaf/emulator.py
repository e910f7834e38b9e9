"""The kind of emulator that gives leaf area: its outputs with their head, and its card."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from xai4land.emulator import Emulator, MapCard
from xai4land.emulator.build import find_architecture
from xai4land_land.leaf.climate import is_lag, list_climate
from xai4land_land.leaf.head import LeafAreaHead
from xai4land_land.leaf.outputs import LeafClasses

if TYPE_CHECKING:
    from xai4land_land.leaf.graph import LeafGraph

__all__ = ["LeafArea", "LeafAreaCard", "LeafAreaEmulator"]


class LeafArea(LeafClasses):
    """Leaf area as a card describes it, with the head that makes it."""

    def make_head(self, card: MapCard) -> LeafAreaHead:
        """Return the head of these outputs."""
        return LeafAreaHead(self)

    def make_graph(self, emulator: Emulator, cells: int | None) -> LeafGraph:
        """Return a window of these outputs as a graph for ONNX."""
        from xai4land_land.leaf.graph import LeafGraph

        return LeafGraph(emulator, cells)


class LeafAreaCard(MapCard):
    """The card of an emulator of leaf area."""

    kind: Literal["leaf-area"] = "leaf-area"
    outputs: LeafArea

    @cached_property
    def sequences(self) -> tuple[tuple[int, ...], ...]:
        """Channels of each month of climate, the newest first: values, and where they are known."""
        months = []
        for lag in range(self.outputs.lags):
            specs = [s for s in self.inputs if s.name.endswith(f"_lag_{lag}")]
            months.append(tuple(k for s in specs for k in self._channels_of(s.name)))
        return tuple(months)

    @property
    def climate(self) -> tuple[str, ...]:
        """Names of the variables of climate that it reads."""
        return list_climate(s.name for s in self.inputs)

    @property
    def climate_ranges(self) -> dict[str, tuple[float, float]]:
        """Values of each variable of climate that it knows in all months."""
        found = {}
        for name in self.climate:
            ranges = [s.valid_range for s in self.inputs if is_lag(s.name, name) and s.valid_range]
            if ranges:
                found[name] = max(low for low, _ in ranges), min(high for _, high in ranges)
        return found

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Channels of all that is neither climate nor a fraction."""
        names = [
            s.name
            for s in self.inputs
            if not s.coded and not is_lag(s.name) and s.name not in self.outputs.coarse_inputs
        ]
        return tuple(k for name in names for k in self._channels_of(name))

    def _channels_of(self, name: str) -> range:
        spec = next(s for s in self.inputs if s.name == name)
        first = self.slots[name]
        return range(first, first + 1 + spec.fillable)

    @property
    def arguments(self) -> dict[str, Any]:
        """Channels and layers; where they are, for architectures that read months in order."""
        found = super().arguments
        if getattr(find_architecture(self), "reads_sequences", False):
            found |= {"sequences": self.sequences, "others": self.others}
        return found


class LeafAreaEmulator(Emulator):
    """An emulator of leaf area."""

    card_type = LeafAreaCard
    card: LeafAreaCard
