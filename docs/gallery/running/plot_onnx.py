"""
As one ONNX file
================

An emulator as one ONNX file, which needs neither Python nor torch, run here by ONNX Runtime. It
needs ``pip install 'xai4land[onnx]'``.
"""

import json

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime

import xai4land

# %%
# Answers of the file are compared with torch's before it is kept.

emulator = xai4land.load_emulator("sample-landcover")
emulator.export("landcover.onnx", cells=32)

# %%
# What it takes: a window of coarse cells with a margin of one, and static features on its pixels.

session = onnxruntime.InferenceSession("landcover.onnx")
for item in session.get_inputs():
    print(item.name, item.type, item.shape)

# %%
# The file itself says which variables these are, in which order.

about = json.loads(session.get_modelmeta().custom_metadata_map["xai4land"])
for name in ("states", "numbers", "cells", "pixels"):
    print(name, about[name])

# %%
# Such a window, as a model in Fortran or C would hold it: rows from the north. Coarse numbers are
# given to all pixels of their cell.

planet = xai4land.sample("land", years=[2000])
now = planet.isel(time=0)
window = now.isel(lat=slice(54, 88), lon=slice(79, 113))
fine = now.isel(lat_fine=slice(220, 348), lon_fine=slice(320, 448))
fine = fine.sel(lat=fine.lat_fine, lon=fine.lon_fine, method="nearest")
inputs = {
    "states": np.stack([window[name] for name in about["states"]])[None],
    "numbers": np.stack([fine[name] for name in about["numbers"]])[None],
}

# %%
# Run it. The map has the flags of the card, and the probability of each class.

land_cover, probability = session.run(["land_cover", "probability"], inputs)
likely = probability[0].max(0)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.imshow(land_cover[0], cmap="tab10", interpolation="nearest")
left.set_title("land_cover (flags)")
picture = right.imshow(likely, vmin=0, vmax=1)
right.set_title("probability of that class")
figure.colorbar(picture, ax=right)

# %%
# With the file, the usual functions work, too: ONNX Runtime then runs the network.

maps = planet.ai4land.reconstruct("landcover.onnx", device="cpu", precision="float32")
maps.attrs["emulator"]
