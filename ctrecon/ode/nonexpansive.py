"""Blocks that bring no two inputs further apart."""

from torch import nn

from ctrecon.conv.norm import NormBound
from ctrecon.errors import InputError
from ctrecon.ode.block import Block
from ctrecon.ode.gradient_flow import GradientFlow
from ctrecon.ode.integrator import Step, Tableau


class Nonexpansive(Block):
    """A gradient flow whose steps never pass the bound h L ||K||^2 <= 2 r under which none expands (r = 1 for Euler, Heun and RK4).

    Steps are time / steps long, or as long as the bound allows, with gradients through the norm: where K grows, the flow is
    shortened. `NormBound` holds on every image size, so a trained block is one function whatever the size.

    Raises:
        InputError: A field, an integrator or a padding for which there is no such bound.

    Source: Celledoni et al. (2021), section 3; Sherry et al., Designing stable neural networks using convex analysis and ODEs,
    Physica D 463 (2024) 134159.
    """

    nonexpansive = True
    repeatable = False  # its norms are followed while it runs

    def prepare(self) -> None:
        if not isinstance(self.field, GradientFlow) or not self.field.potential.activation.pointwise:
            raise InputError("block=nonexpansive needs a gradient of a convex function: say field=gradient_flow normalisation=none")
        if not isinstance(self.integrator, Tableau) or not self.integrator.contractivity:
            raise InputError("block=nonexpansive needs an explicit method with a known bound: say integrator=euler, heun or rk4")
        self.norms = nn.ModuleList(NormBound(field.potential.K) for field in self.fields)

    def plan(self) -> list[Step]:
        longest = []
        for field, norm in zip(self.fields, self.norms, strict=True):
            rate = field.potential.activation.slope * norm().square()
            longest.append(2 * self.integrator.contractivity / rate.clamp(min=1e-30))
        return [(field, longest[j % len(longest)].clamp(max=h)) for j, (field, h) in enumerate(super().plan())]
