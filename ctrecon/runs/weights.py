"""A file of weights: the parameters of a model, and the checksum of their values.

Buffers are left out: they are computed again, so that training and evaluation mode make no difference.
"""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as tensors
from torch import Tensor, nn

from ctrecon.disk.atomic import write_bytes
from ctrecon.errors import InputError
from ctrecon.runs.moved import current_name

CHECKSUM = "sha256"  # in the metadata of the file


def save(model: nn.Module, path: Path) -> None:
    """Write the parameters of a model."""
    values = {name: p.detach().cpu().contiguous() for name, p in model.named_parameters()}
    write_bytes(path, tensors.save(values, {CHECKSUM: _checksum(values)}))


def load(path: Path, model: nn.Module) -> None:
    """Set the parameters of a model. Raises InputError where the file is missing, damaged or of another model."""
    if not path.is_file():
        raise InputError(
            f"{path.parent}: no {path.name}: has the training reached its first validation? run ctrecon train again to go on"
        )
    parameters = dict(model.named_parameters())
    values = {current_name(name, parameters): value for name, value in _read(path).items()}
    shapes, expected = ({name: tuple(t.shape) for name, t in part.items()} for part in (values, parameters))
    if shapes != expected:
        odd = min(name for name in {*shapes, *expected} if shapes.get(name) != expected.get(name))
        there, here = (f"shape {part[odd]}" if odd in part else "none" for part in (shapes, expected))
        raise InputError(
            f"{path}: weights of another model ({odd}: {there} there, {here} here): leave out the words that change the model"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            values, kept = {name: file.get_tensor(name) for name in file.keys()}, (file.metadata() or {}).get(CHECKSUM)
    except SafetensorError as error:
        raise InputError(f"{path}: damaged ({error}); train again") from None
    if kept not in (None, _checksum(values)):  # earlier versions wrote none
        raise InputError(f"{path}: damaged (the values do not have the checksum that was written); train again")
    if not all(torch.isfinite(tensor).all() for tensor in values.values()):
        raise InputError(f"{path}: NaN or infinite values; expected finite ones: train again")
    return values


def _checksum(values: dict[str, Tensor]) -> str:
    """Of names, types, shapes and values."""
    whole = hashlib.sha256()
    for name in sorted(values):
        whole.update(f"{name} {values[name].dtype} {tuple(values[name].shape)}".encode())
        whole.update(values[name].reshape(-1).view(torch.uint8).numpy())
    return whole.hexdigest()
