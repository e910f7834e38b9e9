"""What the Basic Model Interface tells of grids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from bmipy import Bmi

from xai4land.errors import InputError
from xai4land.grids.grid import Grid

__all__ = ["BmiGrids"]


class BmiGrids(Bmi):
    """Grids of cells, (y, x) from the south-western corner; nodes are the centres of cells."""

    _grids: list[Grid]

    def _find_grid(self, grid: int) -> Grid:
        if not 0 <= grid < len(self._grids):
            known = f"0 to {len(self._grids) - 1}" if self._grids else "initialize() first"
            raise InputError(f"no grid {grid}, expected {known}")
        return self._grids[grid]

    def get_grid_rank(self, grid: int) -> int:
        """Return 2."""
        return len(self._find_grid(grid).shape)

    def get_grid_size(self, grid: int) -> int:
        """Return the number of cells."""
        rows, columns = self._find_grid(grid).shape
        return rows * columns

    def get_grid_type(self, grid: int) -> str:
        """Return "uniform_rectilinear", or "rectilinear" where spacings differ."""
        found = self._find_grid(grid)
        regular = found.lat.regular and found.lon.regular
        return "uniform_rectilinear" if regular else "rectilinear"

    def get_grid_shape(self, grid: int, shape: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
        """Copy rows and columns."""
        shape[:] = self._find_grid(grid).shape
        return shape

    def get_grid_spacing(
        self, grid: int, spacing: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Copy degrees between rows, and between columns."""
        spacing[:] = self._find_uniform(grid).spacings
        return spacing

    def get_grid_origin(
        self, grid: int, origin: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Copy latitude and longitude of the south-western cell's centre."""
        found = self._find_uniform(grid)
        origin[:] = found.lat.centres.min(), found.lon.centres[0]
        return origin

    def get_grid_x(self, grid: int, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Copy longitudes of columns, from the west."""
        x[:] = self._find_grid(grid).lon.centres
        return x

    def get_grid_y(self, grid: int, y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Copy latitudes of rows, from the south."""
        y[:] = np.sort(self._find_grid(grid).lat.centres)
        return y

    def get_grid_z(self, grid: int, z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Refuse heights, which maps have none of."""
        raise NotImplementedError("grids are horizontal")

    def _find_uniform(self, grid: int) -> Grid:
        found = self._find_grid(grid)
        if self.get_grid_type(grid) != "uniform_rectilinear":
            raise NotImplementedError(f"grid {grid} is rectilinear; use get_grid_x and get_grid_y")
        return found

    def get_grid_node_count(self, grid: int) -> int:
        """Return the number of nodes, which are cells here."""
        return self.get_grid_size(grid)

    def get_grid_edge_count(self, grid: int) -> int:
        """Refuse: only unstructured grids list edges."""
        raise NotImplementedError("the grid is structured")

    def get_grid_face_count(self, grid: int) -> int:
        """Refuse: only unstructured grids list faces."""
        raise NotImplementedError("the grid is structured")

    def get_grid_edge_nodes(
        self, grid: int, edge_nodes: npt.NDArray[np.int_]
    ) -> npt.NDArray[np.int_]:
        """Refuse: only unstructured grids list edges."""
        raise NotImplementedError("the grid is structured")

    def get_grid_face_edges(
        self, grid: int, face_edges: npt.NDArray[np.int_]
    ) -> npt.NDArray[np.int_]:
        """Refuse: only unstructured grids list faces."""
        raise NotImplementedError("the grid is structured")

    def get_grid_face_nodes(
        self, grid: int, face_nodes: npt.NDArray[np.int_]
    ) -> npt.NDArray[np.int_]:
        """Refuse: only unstructured grids list faces."""
        raise NotImplementedError("the grid is structured")

    def get_grid_nodes_per_face(
        self, grid: int, nodes_per_face: npt.NDArray[np.int_]
    ) -> npt.NDArray[np.int_]:
        """Refuse: only unstructured grids list faces."""
        raise NotImplementedError("the grid is structured")
