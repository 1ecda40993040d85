"""What training a model costs in memory."""

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ctrecon.shapes import Sinogram


def bytes_for_backward(model: nn.Module, y: Sinogram) -> int:
    """How many bytes the model keeps between forward and backward pass, without its parameters.

    The tensors that autograd saves are counted, each storage once. So the number is the same on every machine, and it grows with
    depth, width and image size. What a device's libraries need for a moment is not in it.

    Args:
        model: Any model, in the mode (training or evaluation) that is to be counted.
        y: Sinograms (B, 1, A, D); B = 1 gives the bytes of one training pair.

    Returns:
        Bytes.
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
