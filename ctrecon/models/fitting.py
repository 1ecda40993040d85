"""What of a model is fitted."""

from enum import Enum


class Fitting(Enum):
    """What training chooses: nothing, one number on validation images, or weights on training images."""

    NOTHING = "nothing"
    NUMBER = "a number"
    WEIGHTS = "weights"
