"""With workers of dask.distributed the same call gives the same answer."""

from __future__ import annotations

import numpy as np
import pytest

from xai4land_land import reconstruct

distributed = pytest.importorskip("distributed")


def test_workers_give_the_same_map_and_store(world, emulator, tmp_path):
    made = reconstruct(world, emulator, chunks=36)
    alone = made.compute()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        together = made.compute()
        made.ai4land.write(tmp_path / "map.zarr", progress=False)
    np.testing.assert_array_equal(alone.land_cover, together.land_cover)
    np.testing.assert_allclose(alone.confidence, together.confidence, atol=0.011)
    assert (tmp_path / "map.zarr" / "land_cover").is_dir()
