"""Orthogonal parameters, kept exactly on their manifold by geoopt (whose only home is here)."""

import geoopt
import torch
from torch import Tensor, nn

from ctrecon.conv.convolution import Convolution
from ctrecon.errors import InputError
from ctrecon.ode.block import Block
from ctrecon.optimizer.standard import check_factors


class Stiefel(geoopt.optim.RiemannianAdam):
    """Adam, on the Stiefel manifold for the convolutions inside blocks: the rows of their coefficient matrices stay orthonormal.

    A row holds the coefficients of one output feature (of one channel for ordinary convolutions, of one field for equivariant ones),
    so nothing equivariant is lost. Where rows outnumber columns, columns are orthonormal instead. Weights that are not on the
    manifold when they are first met are replaced by the nearest ones that are. All other parameters move as by Adam.

    Args:
        model: Its blocks' convolutions become orthogonal.
        lr: Learning rate.
        beta1, beta2: Decay of the means.

    Source: Celledoni et al. (2021), section 5.2; Becigneul and Ganea, Riemannian adaptive optimization methods, ICLR 2019.
    """

    def __init__(self, model: nn.Module, lr: float, beta1: float = 0.9, beta2: float = 0.999) -> None:
        check_factors(beta1=beta1, beta2=beta2)
        blocks = [module for module in model.modules() if isinstance(module, Block)]
        layers = [module for block in blocks for module in block.modules() if isinstance(module, Convolution)]
        if any(layer.bias is None for layer in layers):  # their number is that of rows
            raise InputError("optimizer=stiefel: expected layers with biases: say conv.bias=true")
        self.weights = [layer.weight for layer in layers]
        self.rows = [layer.bias.numel() for layer in layers]
        manifold = geoopt.Stiefel()
        self.points = []
        for weight, rows in zip(self.weights, self.rows, strict=True):
            # In float64, so that only the rounding of the weights themselves is left.
            point = geoopt.ManifoldParameter(manifold.projx(tall(weight.detach().double(), rows)), manifold=manifold)
            self.points.append(point)
            with torch.no_grad():
                weight.copy_(flat(point, rows))
        bound = {id(weight) for weight in self.weights}
        free = [parameter for parameter in model.parameters() if id(parameter) not in bound]
        super().__init__([*free, *self.points], lr=lr, betas=(beta1, beta2))

    @torch.no_grad()
    def step(self, closure=None):
        # The model keeps the weights, as files do: points only mirror them, always in one memory layout, for the same rounding.
        for weight, rows, point in zip(self.weights, self.rows, self.points, strict=True):
            point.data = tall(weight.double(), rows).contiguous()
            point.grad = None if weight.grad is None else tall(weight.grad.double(), rows).contiguous()
        loss = super().step(closure)
        for weight, rows, point in zip(self.weights, self.rows, self.points, strict=True):
            weight.copy_(flat(point, rows))
        return loss

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        for state in self.state.values():  # torch's Adam makes the count a float32 tensor, which rounds the bias correction
            state["step"] = int(state["step"])

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for weight in self.weights:
            weight.grad = None


def tall(weight: Tensor, rows: int) -> Tensor:
    """A flat weight as a matrix with at least as many rows as columns: geoopt's orthonormal ones are columns."""
    matrix = weight.reshape(rows, -1)
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T


def flat(matrix: Tensor, rows: int) -> Tensor:
    """The inverse of `tall`."""
    return (matrix if matrix.shape[0] == rows and matrix.shape[0] >= matrix.shape[1] else matrix.T).reshape(-1)
