"""What the numbers of a geometry may be. They are checked before anything is made of them."""

import math
from typing import Any

from ctrecon.errors import InputError

LARGEST = (
    100_000  # views, bins, or pixels along a side: far beyond any scanner's, and more would fill a memory before it is noticed
)
SHORTEST_M, LONGEST_M = 1e-9, 1e9  # lengths whose squares and products float32 holds
LARGEST_DEG = 1e6  # of an angle: beyond, degrees drown in rounding


def is_number(value: Any, kind: Any) -> bool:
    """Whether a value is a finite number of a kind; true and false are none."""
    return isinstance(value, kind) and not isinstance(value, bool) and (isinstance(value, int) or math.isfinite(value))


def check_count(name: str, value: Any, least: int) -> None:
    """Raises InputError where an option of a geometry is no number of pixels, bins or views."""
    if not (is_number(value, int) and least <= value <= LARGEST):
        raise InputError(f"geometry.{name}={value}: expected a whole number from {least} to {LARGEST:,}")


def check_length(name: str, value: Any) -> None:
    """Raises InputError where an option of a geometry is no length of something."""
    if not (is_number(value, int | float) and SHORTEST_M <= value <= LONGEST_M):
        raise InputError(f"geometry.{name}={value}: expected a length from {SHORTEST_M:g} to {LONGEST_M:g} m")


def check_shift(name: str, value: Any) -> None:
    """Raises InputError where an option of a geometry is no length that may be negative."""
    if not (is_number(value, int | float) and abs(value) <= LONGEST_M):
        raise InputError(f"geometry.{name}={value}: expected a length of at most {LONGEST_M:g} m either way")


def check_angle(name: str, value: Any) -> None:
    """Raises InputError where an option of a geometry is no angle in degrees."""
    if not (is_number(value, int | float) and abs(value) <= LARGEST_DEG):
        raise InputError(f"geometry.{name}={value}: expected degrees, at most {LARGEST_DEG:g} either way")
