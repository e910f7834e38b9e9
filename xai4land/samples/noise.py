"""Random fields on the sphere, smooth across the date line and the poles, or in the plane."""

from __future__ import annotations

from itertools import product

import numpy as np

from xai4land.typing import Booleans, Floats, Floats32

__all__ = ["Noise", "Plane", "Sphere"]


class Noise:
    """Make random fields on points in space, or in the plane.

    Parameters
    ----------
    points : ndarray of float32, shape (dimensions, rows, columns)
        Around the origin.
    seed : int

    Attributes
    ----------
    where : ndarray of bool, shape (rows, columns)
        Points to make noise on; at first all. Others are 0.
    """

    def __init__(self, points: Floats32, seed: int) -> None:
        self.points = points
        self.radius = float(np.sqrt((points.astype(np.float64) ** 2).sum(0)).max().round(4))
        self.rng = np.random.default_rng(seed)
        self.where: Booleans = np.ones(points.shape[1:], bool)

    def noise(self, first: float, octaves: int, gain: float = 0.55) -> Floats32:
        """Compute value noise with mean 0 and standard deviation 1 over the points in ``where``.

        Parameters
        ----------
        first : float
            Cells of the coarsest octave along a radian; each octave doubles it.
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
        """Interpolate random values on a square or cubic lattice to the points."""
        # A random rotation keeps the lattices of the octaves from lining up.
        dimensions = len(points)
        rotation = np.linalg.qr(self.rng.normal(size=(dimensions, dimensions)))[0]
        place = rotation.astype(np.float32) @ points * np.float32(frequency)
        size = int(np.ceil(frequency * self.radius)) * 2 + 4
        flat = self.rng.normal(size=size**dimensions).astype(np.float32)
        place += size / 2
        low = np.floor(place)
        inside = place - low
        smooth = inside * inside * inside * (inside * (inside * 6 - 15) + 10)
        strides = size ** np.arange(dimensions)[::-1]
        corner = sum(int(s) * row for s, row in zip(strides, low.astype(np.int32), strict=True))
        # Interpolate along one direction after the other: corners, edges, faces.
        ends = [
            flat[corner + int(np.dot(strides, step))] for step in product((0, 1), repeat=dimensions)
        ]
        for axis in reversed(range(dimensions)):
            ends = [a + smooth[axis] * (b - a) for a, b in zip(ends[::2], ends[1::2], strict=True)]
        field: Floats32 = ends[0]
        return field


class Sphere(Noise):
    """Make random fields on a latitude-longitude grid of the globe.

    Parameters
    ----------
    lat, lon : ndarray
        In degrees.
    seed : int
    """

    def __init__(self, lat: Floats, lon: Floats, seed: int) -> None:
        phi, lam = np.deg2rad(lat)[:, None], np.deg2rad(lon)[None, :]
        points = [
            np.cos(phi) * np.cos(lam),
            np.cos(phi) * np.sin(lam),
            np.sin(phi) * np.ones_like(lam),
        ]
        super().__init__(np.stack(points).astype(np.float32), seed)


class Plane(Noise):
    """Make random fields on a small grid, as if it were flat: faster by far than on the sphere.

    Parameters
    ----------
    lat, lon : ndarray
        In degrees, which count as 1/57 radian wherever they are.
    seed : int
    """

    def __init__(self, lat: Floats, lon: Floats, seed: int) -> None:
        points = np.meshgrid(
            np.deg2rad(lat - lat.mean()), np.deg2rad(lon - lon.mean()), indexing="ij"
        )
        super().__init__(np.stack(points).astype(np.float32), seed)
