"""What a part of a network promises, and how that is measured."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """A promise of a field, integrator, block or cell about itself: each becomes a line of the certificate.

    Attributes:
        guarantee: What kind, such as energy.
        theory: What theory says, in words; empty where it says nothing and the number is only reported.
        measure: What goes into the part -> the number found: features (B, C, H, W) for a block, its image, gradient and memory for a cell.
        bound: The largest number that keeps the promise; None: the number is only reported.
    """

    guarantee: str
    theory: str
    measure: Callable[..., float]
    bound: float | None = None
