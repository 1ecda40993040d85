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
        if device.type not in ("cpu", "cuda"):  # Apple's mps: the sparse matrices of the ray transform were never tried there
            raise InputError(f"device={name}: is not supported; expected auto, cpu or cuda")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        known = name.split(":")[0] in ("cpu", "cuda")
        reason = f"is not there ({str(error).splitlines()[0][:80]})" if known else "no such device"
        raise InputError(f"device={name}: {reason}; expected auto, cpu or cuda") from None
    return device


def memory_bytes(device: torch.device) -> int:
    """What a batch may take there: a quarter of a GPU's memory; on the CPU as much as every laptop has to spare."""
    return torch.cuda.get_device_properties(device).total_memory // 4 if device.type == "cuda" else 2**30
