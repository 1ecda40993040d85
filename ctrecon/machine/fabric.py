"""Where a run runs: one device, several, or several machines. With train.py and validate.py the home of Lightning Fabric.

Several devices take one process each. Where torchrun or Slurm started them, they find each other; else they are started here.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import TensorBoardLogger
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from ctrecon.errors import InputError
from ctrecon.machine.device import PRECISION, pick_device
from ctrecon.machine.interrupt import listening

for _name in ("lightning_fabric", "torch.multiprocessing.spawn"):  # they report the start and the end of processes
    logging.getLogger(_name).setLevel(logging.ERROR)


def machine(device: str, devices: int = 1, nodes: int = 1, precision: str = "float32", log: Path | None = None) -> Fabric:
    """Fabric on the device of that name, or on the first `devices` of its kind on each of `nodes` machines.

    Args:
        device: auto, cpu, cuda, cuda:1 ...
        devices: Processes a machine, each with a device of its own; on the CPU, each with a share of the cores.
        nodes: Machines.
        precision: As in Fit.
        log: The folder that gets a TensorBoard log; None: none.

    Raises:
        InputError: The device is not there, or cannot do what is asked of it.
    """
    place = pick_device(device)
    if devices < 1 or nodes < 1:
        raise InputError(f"devices={devices}, nodes={nodes}: expected at least 1")
    if place.type == "cuda" and devices > torch.cuda.device_count():
        raise InputError(f"devices={devices}: this machine has {torch.cuda.device_count()} CUDA devices; ask for at most that")
    if precision not in PRECISION:
        raise InputError(f"fit.precision={precision}: expected one of {', '.join(PRECISION)}")
    if precision == "bf16-mixed" and place.type != "cuda":
        raise InputError(f"fit.precision={precision}: expected float32 on {place.type}; bf16-mixed needs device=cuda")
    several = devices * nodes > 1
    outside = several and (TorchElasticEnvironment.detect() or int(os.environ.get("SLURM_NTASKS", "1")) == devices * nodes)
    if nodes > 1 and not outside:
        raise InputError(f"nodes={nodes}: expected to be started once a process by torchrun or srun; see the README on clusters")
    # Every process computes the same buffers from the same weights: nothing to send.
    strategy = DDPStrategy(start_method="popen" if outside else "spawn", forward_sync_buffers=False) if several else "auto"
    return Fabric(
        accelerator=place.type,
        devices=devices if several or place.type == "cpu" else [place.index or 0],
        num_nodes=nodes,
        strategy=strategy,
        precision=PRECISION[precision],
        plugins=None if outside else [LightningEnvironment()],
        loggers=[_tensorboard(log)] if log else None,
    )


def launched(fabric: Fabric, function: Callable[[Fabric, Any], None], argument: Any) -> None:
    """Call function(fabric, argument) in every process of the fabric.

    Raises:
        InputError: One of the processes raised it.
        SystemExit: One of the processes ended with that status.
    """
    try:
        with listening():  # passes signals on to the processes
            fabric.launch(function, argument)
    except ProcessRaisedException as error:
        raise InputError(str(error).strip().splitlines()[-1].removeprefix(f"{InputError.__module__}.InputError: ")) from None
    except ProcessExitedException as error:
        raise SystemExit(error.exit_code) from None


def _tensorboard(folder: Path) -> TensorBoardLogger:
    try:
        return TensorBoardLogger(folder, name="", version="tensorboard")
    except ModuleNotFoundError:
        raise InputError('tensorboard=true: tensorboard is not installed; pip install "learned-ctrecon[tensorboard]"') from None
