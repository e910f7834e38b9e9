"""Where the network runs."""

from __future__ import annotations

import torch

from xai4land.errors import InputError

__all__ = ["bfloat16_pays", "choose_device"]


def choose_device(device: str = "auto") -> str:
    """A torch device by name; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InputError
        If the device is unknown or not there.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device={device!r} cannot be used here ({reason}); use 'cpu'") from error
    return device


def bfloat16_pays(device: str) -> bool:
    """Whether the device computes in bfloat16 faster than in float32."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    try:
        return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False
