"""Augmentation: how the object lies while the model learns."""

import abc
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pose:
    """How an object lies: mirrored on the image's diagonal first where it is, then turned counter-clockwise.

    Attributes:
        degrees: The turn.
        mirrored: Whether it is mirrored.
    """

    degrees: int | float = 0
    mirrored: bool = False


UPRIGHT = Pose()


class Augment(abc.ABC):
    """Draws the pose of a training image."""

    @abc.abstractmethod
    def pose(self, draw: np.random.Generator) -> Pose:
        """A pose, a function of the generator's state."""


class NoAugment(Augment):
    """As the patient lies."""

    def pose(self, draw: np.random.Generator) -> Pose:
        return UPRIGHT


class Turn90(Augment):
    """Turned by a multiple of 90 degrees."""

    def pose(self, draw: np.random.Generator) -> Pose:
        return Pose(90 * int(draw.integers(4)))


class TurnAny(Augment):
    """Turned by any angle; what leaves the field of view is lost."""

    def pose(self, draw: np.random.Generator) -> Pose:
        return Pose(draw.uniform(0, 360))


class Mirror(Augment):
    """Turned by a multiple of 90 degrees, and mirrored half the time: the eight symmetries of the square."""

    def pose(self, draw: np.random.Generator) -> Pose:
        return Pose(90 * int(draw.integers(4)), bool(draw.integers(2)))
