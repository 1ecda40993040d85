"""Rotation- and reflection-equivariant convolutions on regular features (the only file that imports escnn).

Only escnn's filter bases are used, as tensors of our own: the convolution is ours, so nothing depends on training or evaluation mode,
and layers share no state, as escnn's do (moving one to another device or type would move them all).
Source: Weiler and Cesa, General E(2)-equivariant steerable CNNs, NeurIPS 2019.
"""

import functools
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.activation import Activation
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


@contextmanager
def _silent() -> Iterator[None]:
    """While this lasts, escnn and its disk cache say nothing: that py3nj is missing, that a slow disk takes long."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


with _silent():
    from escnn import gspaces
    from escnn import nn as enn
    from escnn.group import Representation, _numerical

# escnn hands numpy.matrix to scipy, which refuses it once ODL has switched scipy's array API on. Only the first construction of a
# group on a machine gets there: escnn keeps the results on disk.
_null = _numerical.null
_numerical.null = lambda matrix, *args, **kwargs: _null(np.asarray(matrix), *args, **kwargs)


class _Regular(ConvFamily):
    """Regular features of a planar group: a field is a function on the group, one channel an element."""

    def __init__(self, space, rotations: int, channels: int, kernel: int, padding: str, activation: Activation | None) -> None:
        super().__init__(activation)
        self.space, self.width, self.rotations, self.kernel, self.padding = space, channels, rotations, odd_kernel(kernel), padding

    def layer(self, inputs: int | None, outputs: int | None) -> Convolution:
        kinds = [self.space.regular_repr if n is None else self.space.trivial_repr for n in (inputs, outputs)]
        fields = self.width // self.space.fibergroup.order()
        return EquivariantFilter(self.space, kinds, (inputs or fields, outputs or fields), self.kernel, self.padding)

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

    def resized(self, channels: int) -> "_Regular":
        return type(self)(self.rotations, channels, self.kernel, self.padding, self.activation)


class Cyclic(_Regular):
    """C_N: rotations by 360/N degrees, in escnn's band-limited basis.

    Args:
        rotations: N.
        channels: Width of a feature map in plain channels, a multiple of N.
        kernel: Filter width, odd.
        padding: zeros or replicate.
        activation: s.

    Raises:
        InputError: A value does not fit.
    """

    @_silent()
    def __init__(
        self, rotations: int, channels: int, kernel: int = 3, padding: str = "zeros", activation: Activation | None = None
    ) -> None:
        check_field(rotations, rotations, f"C{rotations}", channels)  # first: making a large group takes minutes
        super().__init__(gspaces.rot2dOnR2(rotations), rotations, channels, kernel, padding, activation)


class Dihedral(_Regular):
    """D_N: rotations by 360/N degrees and reflections; fields of 2N channels. Arguments as for Cyclic."""

    @_silent()
    def __init__(
        self, rotations: int, channels: int, kernel: int = 3, padding: str = "zeros", activation: Activation | None = None
    ) -> None:
        check_field(rotations, 2 * rotations, f"D{rotations}", channels)
        super().__init__(gspaces.flipRot2dOnR2(rotations), rotations, channels, kernel, padding, activation)


def check_field(rotations: int, order: int, name: str, channels: int) -> None:
    """Raises InputError where so many channels are no fields of a group of that order and name."""
    if rotations < 1:
        raise InputError(f"conv.rotations={rotations}: expected at least 1")
    if channels < 1 or channels % order:
        raise InputError(f"conv.channels={channels}: expected a multiple of {order}, the number of channels of a field of {name}")


class EquivariantFilter(Convolution):
    """A filter in the span of an equivariant basis; one bias a field (a group-invariant shift).

    Args:
        space: escnn's group action on the plane.
        kinds: The representation of each input field and of each output field.
        fields: How many there are of them.
        kernel: Filter width.
        padding: zeros or replicate.
    """

    @_silent()
    def __init__(self, space, kinds: list, fields: tuple[int, int], kernel: int, padding: str) -> None:
        super().__init__(padding)
        self.space, self.kinds, self.fields = space, kinds, fields
        self.register_buffer("basis", _basis(space, *kinds, kernel).clone(), persistent=False)
        self.weight = nn.Parameter(torch.zeros(fields[0] * fields[1] * len(self.basis)))
        self.bias = nn.Parameter(torch.zeros(fields[1]))

    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        (inputs, outputs), (d, o, i, k, _) = self.fields, self.basis.shape
        filters = weight.view(-1, d) @ self.basis.flatten(1)  # half the time of an einsum, which is seen in small models
        return filters.view(outputs, inputs, o, i, k, k).transpose(1, 2).reshape(outputs * o, inputs * i, k, k)

    def shift(self) -> Float[Tensor, " O"]:
        return self.bias[:, None].expand(-1, self.basis.shape[1]).flatten()

    @_silent()
    def reset_as_published(self) -> None:
        """escnn's default: generalised He for the filter, zero bias."""
        expansion = _expansion(self.space, *self.kinds, *self.fields, self.basis.shape[-1])
        enn.init.generalized_he_init(self.weight.data, expansion, cache=True)
        nn.init.zeros_(self.bias)


@functools.cache
def _basis(space: gspaces.GSpace, before: Representation, after: Representation, kernel: int) -> Float[Tensor, "d o i k k"]:
    """Filters that span all equivariant ones from a field of one kind to a field of another. Layers of a model share few kinds."""
    expansion = _expansion(space, before, after, 1, 1, kernel)
    units = torch.eye(expansion.dimension())
    return torch.stack([expansion(unit) for unit in units]).unflatten(-1, (kernel, kernel))


def _expansion(
    space: gspaces.GSpace, before: Representation, after: Representation, inputs: int, outputs: int, kernel: int
) -> nn.Module:
    """escnn's map from weights to filters, between so many fields of two kinds."""
    kinds = enn.FieldType(space, inputs * [before]), enn.FieldType(space, outputs * [after])
    return enn.R2Conv(*kinds, kernel, bias=False, initialize=False).basisexpansion
