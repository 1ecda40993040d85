"""What a run ran on."""

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

import torch

PACKAGES = ("torch", "numpy", "astra-toolbox", "odl", "escnn", "scikit-image", "hydra-core", "learned-ctrecon")


def environment(device: torch.device) -> dict:
    """Versions, device, git commit and command, for a run folder."""
    return {
        "command": " ".join(sys.argv),
        "commit": _commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, marked where files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None
