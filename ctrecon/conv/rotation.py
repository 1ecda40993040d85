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
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.activation import Activation
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.domain import Domain
from ctrecon.conv.family import ConvFamily, Side, fields, whole_fields
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


@dataclass(frozen=True)
class Group:
    """A finite group of the plane: rotations by 360/N degrees, and reflections where it mirrors. escnn's objects are found by it."""

    rotations: int
    mirrors: bool

    @property
    def space(self) -> gspaces.GSpace:
        """Its action on the plane, in escnn."""
        return (gspaces.flipRot2dOnR2 if self.mirrors else gspaces.rot2dOnR2)(self.rotations)

    @property
    def order(self) -> int:
        """How many elements it has."""
        return self.rotations * (1 + self.mirrors)

    @property
    def name(self) -> str:
        """C_N or D_N."""
        return f"{'D' if self.mirrors else 'C'}{self.rotations}"

    def kind(self, regular: bool) -> Representation:
        """How it acts on a field: on functions on the group, or not at all (a scalar)."""
        return self.space.regular_repr if regular else self.space.trivial_repr


class _Regular(ConvFamily):
    """Regular features of a planar group: a field is a function on the group, one channel an element."""

    def __init__(self, group: Group, channels: int, kernel: int, padding: str, activation: Activation | None, bias: bool) -> None:
        super().__init__(kernel, padding, activation, bias)
        if group.rotations < 1:
            raise InputError(f"conv.rotations={group.rotations}: expected at least 1")
        self.group, self.rotations, self.order = group, group.rotations, group.order
        self.width = whole_fields(channels, self.order)

    def _layer(self, inputs: Side, outputs: Side) -> Convolution:
        regular, numbers = zip(fields(inputs), fields(outputs), strict=True)
        return EquivariantFilter(self.group, regular, numbers, self.kernel, self.domain)

    @_silent()
    def turn(self, z: Features) -> Features:
        if self.rotations % 4:
            raise InputError(f"features of {self.group.name} carry no quarter turn: their rotations are no multiple of 4")
        quarter = self.rotations // 4
        element = self.group.space.fibergroup.element((0, quarter) if self.group.mirrors else quarter)
        action = torch.tensor(self.group.kind(True)(element), dtype=z.dtype, device=z.device)
        turned = z.rot90(1, (2, 3)).unflatten(1, (-1, len(action)))
        return torch.einsum("gh,bfhij->bfgij", action, turned).flatten(1, 2)


class Cyclic(_Regular):
    """C_N: rotations by 360/N degrees, in escnn's band-limited basis.

    Args:
        rotations: N.
        channels: Width of a feature map in plain channels, a multiple of N.
        kernel: Filter width, odd.
        padding: zeros or replicate.
        activation: s.
        bias: Whether layers add one.

    Raises:
        InputError: A value does not fit.
    """

    def __init__(
        self,
        rotations: int,
        channels: int,
        kernel: int = 3,
        padding: str = "zeros",
        activation: Activation | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(Group(rotations, mirrors=False), channels, kernel, padding, activation, bias)


class Dihedral(_Regular):
    """D_N: rotations by 360/N degrees and reflections; fields of 2N channels. Arguments as for Cyclic."""

    def __init__(
        self,
        rotations: int,
        channels: int,
        kernel: int = 3,
        padding: str = "zeros",
        activation: Activation | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(Group(rotations, mirrors=True), channels, kernel, padding, activation, bias)


class EquivariantFilter(Convolution):
    """A filter in the span of an equivariant basis; one bias a field (a group-invariant shift).

    Args:
        group: What it commutes with.
        regular: Whether input fields are regular, and output fields; scalars otherwise.
        fields: How many there are of them.
        kernel: Filter width.
        domain: Where the features live.
    """

    @_silent()
    def __init__(self, group: Group, regular: tuple[bool, bool], fields: tuple[int, int], kernel: int, domain: Domain) -> None:
        super().__init__(domain)
        self.group, self.regular, self.fields = group, regular, fields
        self.register_buffer("basis", _basis(group, regular, kernel).clone(), persistent=False)
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
        expansion = _expansion(self.group, self.regular, self.fields, self.basis.shape[-1])
        enn.init.generalized_he_init(self.weight.data, expansion, cache=True)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


@functools.cache
def _basis(group: Group, regular: tuple[bool, bool], kernel: int) -> Float[Tensor, "d o i k k"]:
    """Filters that span all equivariant ones from one field to another: a model has many layers, and few kinds of fields."""
    expansion = _expansion(group, regular, (1, 1), kernel)
    units = torch.eye(expansion.dimension())
    return torch.stack([expansion(unit) for unit in units]).unflatten(-1, (kernel, kernel))


def _expansion(group: Group, regular: tuple[bool, bool], fields: tuple[int, int], kernel: int) -> nn.Module:
    """escnn's map from weights to filters, between so many fields; the arguments are those of `EquivariantFilter`."""
    before, after = (enn.FieldType(group.space, n * [group.kind(kind)]) for n, kind in zip(fields, regular, strict=True))
    return enn.R2Conv(before, after, kernel, bias=False, initialize=False).basisexpansion
