"""Which device computes, and in which precision."""

import torch

from ctrecon.errors import InputError

PRECISION = {"float32": "32-true", "bf16-mixed": "bf16-mixed"}  # our names and those of Lightning Fabric


def pick_device(name: str) -> torch.device:
    """The device of that name; auto: CUDA where there is one. Raises InputError where it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device={name}: {str(error).splitlines()[0]}; expected auto, cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device={name}: expected auto, cpu or cuda")
    return device
