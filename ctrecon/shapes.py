"""Dimension letters and tensor types used throughout ctrecon.

B batch, H rows, W columns, A views (angles), D detector bins, C channels, O and I output and input channels, k kernel width.
"""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

Image: TypeAlias = Float[Tensor, "B 1 H W"]
Sinogram: TypeAlias = Float[Tensor, "B 1 A D"]
Features: TypeAlias = Float[Tensor, "B C H W"]
Channels: TypeAlias = Float[Tensor, "B O H W"]
Filter: TypeAlias = Float[Tensor, "O I k k"]
