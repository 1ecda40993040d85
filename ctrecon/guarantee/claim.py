"""A claim about a model, measured."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from ctrecon.models.model import Model
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram


@dataclass(frozen=True)
class Claim:
    """One line of a certificate.

    Attributes:
        guarantee: What kind, such as equivariance.
        subject: Of which part.
        theory: What theory says, in words; empty where it promises nothing.
        measured: The number found.
        bound: The largest number that keeps the promise; None: the number is only reported.
    """

    guarantee: str
    subject: str
    theory: str
    measured: float
    bound: float | None = None

    @property
    def verdict(self) -> str:
        """pass, fail, or reported. What is not a number keeps no promise."""
        if self.bound is None:
            return "reported"
        return "pass" if self.measured <= self.bound else "fail"

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no NaN."""
        measured = self.measured if math.isfinite(self.measured) else str(self.measured)
        return asdict(self) | {"measured": measured, "verdict": self.verdict}


@dataclass(frozen=True)
class Subject:
    """A model in evaluation mode, and what it is looked at with.

    Attributes:
        model: The model.
        truth: An image.
        y: Its sinogram.
        ray: The ray transform on the model's grid.
    """

    model: Model
    truth: Image
    y: Sinogram
    ray: RayTransform


def worst(claims: list[Claim]) -> Claim:
    """The one of several like claims that is nearest to failing, or fails most; its subject says of how many."""
    one = max(claims, key=lambda claim: math.inf if math.isnan(claim.measured) else claim.measured - (claim.bound or 0.0))
    if len(claims) == 1:
        return one
    return Claim(one.guarantee, f"{one.subject}, worst of {len(claims)}", one.theory, one.measured, one.bound)
