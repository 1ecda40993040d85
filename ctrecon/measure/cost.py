"""What training a model costs in memory."""

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ctrecon.shapes import Sinogram


def bytes_for_backward(model: nn.Module, y: Sinogram) -> int:
    """Bytes that the model keeps of one sinogram for the backward pass, its parameters left out: what grows with depth and width.

    Counted, not watched, so that it is the same on every machine; what a device's libraries take for a moment comes on top.
    """
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
        image = model(y)  # bound to a name: its graph keeps what was saved alive, so that no address is used twice
    del image
    return sum(saved.values())
