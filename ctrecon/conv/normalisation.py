"""Normalisations of what an activation sees, s(N(z)): `conf/normalisation` wraps the activation in one of these."""

import math

import torch
from torch import Tensor

from ctrecon.conv.activation import Activation


def none(activation: Activation) -> Activation:
    """No normalisation."""
    return activation


class TotalVariation(Activation):
    """s(z / sqrt(mean of z^2 over the channels of a pixel + epsilon)).

    The quotient is the gradient of a smoothed total variation, so that -K^T N(K z) is its diffusion: strong where features are
    flat, weak across edges. The mean does not change when channels are permuted, so nothing equivariant is lost; but s(N(z)) is
    no longer pointwise, and the promises that rest on that are no longer made.

    Args:
        activation: s.
        epsilon: Smoothing; N has slope 1 / sqrt(epsilon) at zero.

    Source: Ruthotto and Haber, JMIV 62 (2020), total variation normalisation.
    """

    pointwise = False

    def __init__(self, activation: Activation, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.activation, self.epsilon = activation, epsilon

    @property
    def slope(self) -> float:
        return self.activation.slope / math.sqrt(self.epsilon)

    def on_fields(self, number: int, order: int) -> "TotalVariation":
        self.activation = self.activation.on_fields(number, order)
        return self

    def forward(self, z: Tensor) -> Tensor:
        return self.activation(z * torch.rsqrt(z.square().mean(1, keepdim=True) + self.epsilon))

    def integral(self, z: Tensor) -> Tensor:
        raise NotImplementedError("a normalised activation has no antiderivative")
