"""Random fields on the sphere, smooth across the date line and the poles."""

from __future__ import annotations

import numpy as np

from xai4land.typing import Booleans, Floats, Floats32

__all__ = ["Sphere"]


class Sphere:
    """Make random fields on the points of a latitude-longitude grid.

    Parameters
    ----------
    lat, lon : ndarray
        In degrees.
    seed : int

    Attributes
    ----------
    where : ndarray of bool, shape (rows, columns)
        Points to make noise on; at first all. Others are 0.
    """

    def __init__(self, lat: Floats, lon: Floats, seed: int) -> None:
        phi, lam = np.deg2rad(lat)[:, None], np.deg2rad(lon)[None, :]
        self.points = np.stack(
            [
                np.cos(phi) * np.cos(lam),
                np.cos(phi) * np.sin(lam),
                np.sin(phi) * np.ones_like(lam),
            ]
        ).astype(np.float32)
        self.rng = np.random.default_rng(seed)
        self.where: Booleans = np.ones(self.points.shape[1:], bool)

    def noise(self, first: float, octaves: int, gain: float = 0.55) -> Floats32:
        """Compute value noise with mean 0 and standard deviation 1 over the points in ``where``.

        Parameters
        ----------
        first : float
            Cells of the coarsest octave along a radius; each octave doubles it.
        octaves : int
        gain : float
            Amplitude of each octave relative to the one before.
        """
        points = self.points[:, self.where]
        total = np.zeros(points.shape[1], np.float32)
        for k in range(octaves):
            total += np.float32(gain**k) * self._octave(points, first * 2**k)
        field = np.zeros(self.where.shape, np.float32)
        field[self.where] = (total - total.mean()) / total.std()
        return field

    def _octave(self, points: Floats32, frequency: float) -> Floats32:
        """Interpolate random values on a cubic lattice to the points."""
        # A random rotation keeps the lattices of the octaves from lining up.
        rotation = np.linalg.qr(self.rng.normal(size=(3, 3)))[0].astype(np.float32)
        place = rotation @ points * np.float32(frequency)
        size = int(np.ceil(frequency)) * 2 + 4
        lattice = self.rng.normal(size=(size, size, size)).astype(np.float32)
        place += size / 2
        low = np.floor(place)
        inside = place - low
        smooth = inside * inside * inside * (inside * (inside * 6 - 15) + 10)
        first, second, third = low.astype(np.int32)
        corner = (first * size + second) * size + third
        flat = lattice.ravel()
        # Interpolate along one direction after the other: corners, edges, faces.
        ends = [flat[corner + (a * size + b) * size + c] for a, b, c in np.ndindex(2, 2, 2)]
        for axis in (2, 1, 0):
            ends = [a + smooth[axis] * (b - a) for a, b in zip(ends[::2], ends[1::2], strict=True)]
        field: Floats32 = ends[0]
        return field
