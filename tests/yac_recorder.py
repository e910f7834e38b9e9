"""The emulator of a run coupled by YAC, its steps kept: ``yac_recorder.py run.yaml out.npz``."""

from __future__ import annotations

import sys

import numpy as np

from xai4land.coupling import Stepper
from xai4land.coupling.yac.job import main

STEPS: list[tuple[str, dict, dict]] = []
make = Stepper.step


def record(self, fields, time=None):
    outputs = make(self, fields, time)
    STEPS.append((str(time), dict(fields), outputs))
    return outputs


if __name__ == "__main__":
    Stepper.step = record
    main(sys.argv[1:2])
    np.savez(
        sys.argv[2],
        dates=[date for date, _, _ in STEPS],
        **{name: [fields[name] for _, fields, _ in STEPS] for name in STEPS[0][1]},
        **{name: [outputs[name] for _, _, outputs in STEPS] for name in STEPS[0][2]},
    )
