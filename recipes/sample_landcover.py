"""Train the bundled emulator of the sample planet: python recipes/sample_landcover.py OUT"""

import sys

import xai4land

OUT = sys.argv[1] if len(sys.argv) > 1 else "sample-landcover.safetensors"

# Trained on other planets than the default one, so that the demo's scores are honest.
planet = xai4land.sample("land", seed=1, years=[1990, 2010])
emulator = planet.ai4land.fit(
    planet.land_cover,
    name="sample-landcover",
    title="Land cover of the sample planet at 0.25°",
    licence="Apache-2.0",
    command="python recipes/sample_landcover.py",
    parameters={"widths": [24, 48, 64]},
    window=64,
    epochs=24,
    steps=50,
    batch_size=8,
    learning_rate=3e-3,
)
emulator.save(OUT)
print(emulator)
