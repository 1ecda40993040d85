"""The antisymmetric network: rotation in feature space."""

from collections.abc import Iterator

from ctrecon.conv.family import ConvFamily
from ctrecon.conv.norm import start, top_singular
from ctrecon.errors import InputError
from ctrecon.ode.block import Block
from ctrecon.ode.field import VectorField
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Features

EXACT = 1e-5  # of |z| |L z|: rounding in float32


class Antisymmetric(VectorField):
    """z' = s((K - K^T - gamma I) z + b).

    The linear part rotates and damps: <z, (K - K^T - gamma) z> = -gamma |z|^2. The Jacobian, diag(s') times it, has therefore no
    eigenvalue with positive real part; perturbations may still grow for a while, so this is weaker than dissipation.

    Args:
        family: What a feature is. The field is as equivariant as the family.
        damping: gamma, at least 0.

    Raises:
        InputError: A negative damping.

    Source: Haber and Ruthotto, Stable architectures for deep neural networks, Inverse Problems 34 (2017) 014004, section 3.2.
    """

    def __init__(self, family: ConvFamily, damping: int | float = 0.1) -> None:
        super().__init__()
        if damping < 0:
            raise InputError(f"field.damping={damping}: expected at least 0")
        self.K, self.activation, self.damping = family.conv(), family.activation, damping

    def linear(self, z: Features) -> Features:
        """(K - K^T - gamma) z."""
        return self.K.linear(z) - self.K.transpose(z) - self.damping * z

    def forward(self, state: Features) -> Features:
        return self.activation(self.linear(state) + self.K.shift()[:, None, None])

    def promises(self, block: Block) -> Iterator[Promise]:
        yield Promise("antisymmetry", "the linear part only rotates and damps", self._defect, EXACT)

    def _defect(self, z: Features) -> float:
        """<z, L z> + damping |z|^2 over |z| |L z|, L the linear part."""
        z, Lz = z.double(), self.linear(z).double()
        defect = (z * Lz).sum() + self.damping * z.square().sum()
        return (defect.abs() / (z.norm() * Lz.norm()).clamp(min=1e-30)).item()

    def rate(self, shape: tuple[int, int]) -> float:
        transpose = lambda z: self.K.transpose(z) - self.K.linear(z) - self.damping * z  # noqa: E731
        return self.activation.slope * top_singular(self.linear, transpose, start(self.K, shape))[1]
