"""What learned models have in common."""

import abc
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ctrecon.conv.family import ConvFamily
from ctrecon.models.fitting import Fitting
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.model import Model, Stop
from ctrecon.models.part import Part
from ctrecon.ode.block import Block
from ctrecon.physics.data_term import DataTerm
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Image, Sinogram

GRID = 64  # pixels at most on which blocks are described: norms hardly grow beyond, and cost more
KEPT = 40  # feature maps a step that derivatives of derivatives keep


class Learned(Model):
    """A model with weights, made of parts.

    Args:
        geometry: The scan.
        family: What a feature of the image is.

    Attributes:
        start: The model that gives the first image.
        iterations: How often it goes through its parts.
    """

    fitting = Fitting.WEIGHTS
    start: Model
    iterations: int = 1

    def __init__(self, geometry: Geometry, family: ConvFamily) -> None:
        super().__init__(geometry)
        self.family = family

    @abc.abstractmethod
    def parts(self) -> dict[str, nn.ModuleList]:
        """Its learned parts by what they are, such as "cell", each in the order in which an image comes by."""

    @property
    def homogeneous(self) -> bool:
        terms = [m.homogeneous for m in self.modules() if isinstance(m, DataTerm)]
        steps = [m.integrator.homogeneous for m in self.modules() if isinstance(m, Block)]
        return self.family.homogeneous and self.start.homogeneous and all(terms) and all(steps)

    def first(self, y: Sinogram) -> Image:
        """The image that it starts from. Raises InputError where the sinogram is not of this geometry."""
        self.geometry.check(y)
        with full_precision(y):
            return self.start(y)

    def draw(self, initialisation: Initialisation) -> None:
        """Draw the parameters of every part."""
        for kind in self.parts().values():
            for part in kind:
                initialisation(part)

    def compile(self, *arguments, **options) -> None:
        """Compile the parts; the ray transform calls other libraries and stays as it is."""
        for kind in self.parts().values():
            for part in kind:
                part.compile(*arguments, **options)

    @property
    def rotations(self) -> int:
        return self.family.rotations

    def describe(self) -> dict[str, str]:
        grid, kinds = min(self.geometry.pixels, GRID), self.parts()
        lines = {"features": f"{type(self.family).__name__}, {self.family.width} channels, rotations: {self.rotations}"}
        for kind, parts in kinds.items():
            inside = parts[0].describe((grid, grid))
            lines[kind] = f"{len(parts)} {type(parts[0]).__name__} for {self.iterations} iterations, {inside.pop('parameters')}"
            lines |= {f"{kind}, {name}" if len(kinds) > 1 else name: line for name, line in inside.items()}
        return lines

    @torch.no_grad()
    def stops(self, y: Sinogram) -> Iterator[Stop]:
        """Every part, where it is used first."""
        names = {part: f"{kind} {k + 1}" for kind, parts in self.parts().items() for k, part in enumerate(parts)}
        seen: dict[Part, tuple[Tensor, ...]] = {}
        hooks = [part.register_forward_pre_hook(lambda part, inputs: seen.setdefault(part, inputs) and None) for part in names]
        try:
            self(y)
        finally:
            for hook in hooks:
                hook.remove()
        yield from (part.stop(names[part], inputs) for part, inputs in seen.items())

    def graph_bytes(self) -> int:
        each = [max(1, sum(b.steps for b in parts[0].blocks_inside())) for parts in self.parts().values()]
        return 4 * KEPT * sum(each) * self.iterations * self.family.width * self.geometry.pixels**2


def full_precision(y: Tensor) -> torch.autocast:
    """Where convolutions are in bfloat16, what is measured is not: a sinogram needs more than three digits."""
    return torch.autocast(y.device.type, enabled=False)
