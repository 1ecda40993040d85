"""Rotation- and reflection-equivariant convolutions on regular features (the only file that imports escnn).

Only escnn's filter bases are used: the convolution itself is ours, so nothing depends on training or evaluation mode.
Source: Weiler and Cesa, General E(2)-equivariant steerable CNNs, NeurIPS 2019.
"""

import sys
import types
import warnings

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily, odd_kernel
from ctrecon.errors import InputError
from ctrecon.shapes import Features, Filter

# escnn imports these two names for SO(3), which planar groups never use: lie_learn cannot be installed beside numpy 2.
_STUB = "lie_learn.representations.SO3.wigner_d"
if _STUB not in sys.modules:
    parts = _STUB.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules[_STUB].wigner_D_matrix = None
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*py3nj.*")
    from escnn import gspaces
    from escnn import nn as enn
    from escnn.group import _numerical

# escnn hands numpy.matrix to scipy, which refuses it once ODL has switched scipy's array API on. Only the first construction of a
# group on a machine gets there: escnn keeps the results on disk.
_null = _numerical.null
_numerical.null = lambda matrix, *args, **kwargs: _null(np.asarray(matrix), *args, **kwargs)

SMOOTH = {}  # escnn's default: band-limited, as in the papers
FULL = {"rings": [0.0, 1.0, 2**0.5], "sigma": 0.05, "frequencies_cutoff": 2.0}  # every equivariant 3 x 3 filter


class _Regular(ConvFamily):
    """Regular features of a planar group: a field is a function on the group, one channel an element."""

    def __init__(self, space, rotations: int, channels: int, kernel: int, padding: str, full: bool) -> None:
        super().__init__()
        order = space.fibergroup.order()
        if channels % order:
            raise InputError(
                f"conv.channels={channels}: expected a multiple of {order}, the number of channels of a field of {space.fibergroup.name}"
            )
        if full and kernel != 3:
            raise InputError(f"conv.kernel={kernel}: the full basis is that of 3 x 3 filters; use kernel=3 or full=false")
        self.space, self.width, self.rotations = space, channels, rotations
        self.kernel, self.padding, self.basis = odd_kernel(kernel), padding, FULL if full else SMOOTH
        self.features = enn.FieldType(space, channels // order * [space.regular_repr])

    def layer(self, inputs: int | None, outputs: int | None) -> Convolution:
        types_ = [
            self.features if n is None else enn.FieldType(self.space, n * [self.space.trivial_repr]) for n in (inputs, outputs)
        ]
        return EquivariantFilter(*types_, self.kernel, self.padding, self.basis)

    def turn(self, z: Features) -> Features:
        if self.rotations % 4:
            raise InputError(
                f"features of {self.space.fibergroup.name} carry no quarter turn: their rotations are no multiple of 4"
            )
        quarter = self.rotations // 4
        element = self.space.fibergroup.element(quarter if self.space.fibergroup.name.startswith("C") else (0, quarter))
        action = torch.tensor(self.space.regular_repr(element), dtype=z.dtype, device=z.device)
        fields = z.rot90(1, (2, 3)).unflatten(1, (-1, len(action)))
        return torch.einsum("gh,bfhij->bfgij", action, fields).flatten(1, 2)


class Cyclic(_Regular):
    """C_N: rotations by 360/N degrees.

    Args:
        rotations: N.
        channels: Width of a feature map in plain channels, a multiple of N.
        kernel: Filter width, odd.
        padding: zeros or replicate.
        full: Use every equivariant filter instead of escnn's band-limited ones.

    Raises:
        InputError: A value does not fit.
    """

    def __init__(self, rotations: int, channels: int, kernel: int = 3, padding: str = "zeros", full: bool = False) -> None:
        super().__init__(gspaces.rot2dOnR2(rotations), rotations, channels, kernel, padding, full)


class Dihedral(_Regular):
    """D_N: rotations by 360/N degrees and reflections; fields of 2N channels. Arguments as for Cyclic."""

    def __init__(self, rotations: int, channels: int, kernel: int = 3, padding: str = "zeros", full: bool = False) -> None:
        super().__init__(gspaces.flipRot2dOnR2(rotations), rotations, channels, kernel, padding, full)


class EquivariantFilter(Convolution):
    """A filter in the span of an equivariant basis; one bias a field (a group-invariant shift)."""

    def __init__(self, in_type, out_type, kernel: int, padding: str, basis: dict) -> None:
        super().__init__(padding)
        layer = enn.R2Conv(in_type, out_type, kernel, bias=False, initialize=False, **basis)
        self.basis = layer.basisexpansion
        self.shape = (out_type.size, in_type.size, kernel, kernel)
        self.channels_per_field = out_type.size // len(out_type)
        self.weight = nn.Parameter(torch.zeros_like(layer.weights))
        self.bias = nn.Parameter(torch.zeros(len(out_type)))

    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        return self.basis(weight).reshape(self.shape)

    def shift(self) -> Float[Tensor, " O"]:
        return self.bias.repeat_interleave(self.channels_per_field)

    def reset_as_published(self) -> None:
        """escnn's default: generalised He for the filter, zero bias."""
        enn.init.generalized_he_init(self.weight.data, self.basis, cache=True)
        nn.init.zeros_(self.bias)
