"""Which of a scanner's views are used, and at which angles they are: what a geometry's YAML says, turned into numbers once."""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctrecon.errors import InputError
from ctrecon.physics.bounds import check_angle, check_count, is_number

FEW, LEAST_RAD, MOST_RAD = 10, 2.5, 7.0  # so many angles over so wide a range below 7 are a whole scan in radians


@dataclass(frozen=True)
class Views:
    """The used views of a scan.

    Attributes:
        numbers: Numbers of the used views among the scanner's, (A,).
        scanned: Number of views that the scanner took.
        angles_rad: Their angles, (A,).
    """

    numbers: tuple[int, ...]
    scanned: int
    angles_rad: tuple[float, ...]


def views_of(
    picked: int | str | Sequence[int] | None,
    scan_views: int | None,
    step_deg: float | None,
    angles_deg: Sequence[int | float] | None,
    start_deg: float,
    arc_deg: float,
) -> Views:
    """The views that the options of a geometry pick.

    Args:
        picked: A number of views (evenly spread over the arc, or over the scan where that is shorter), a list of view numbers, or a
            slice such as "0:181" or "::2"; None: all that the scanner took.
        scan_views: Number of views that the scanner took; None: as many as `picked` or `angles_deg` say.
        step_deg: Angle between the scanner's views; None: the arc divided by their number.
        angles_deg: Angles of the scanner's views; None: they are evenly spaced by `step_deg`.
        start_deg: Angle of view 0, or, with `angles_deg`, what is added to each of them.
        arc_deg: The range of angles after which rays repeat.

    Raises:
        InputError: A value is out of range, or values contradict each other.
    """
    if angles_deg is not None:
        _check_angles(angles_deg, scan_views, step_deg)
    check_angle("start_deg", start_deg)
    if step_deg is not None:
        check_angle("step_deg", step_deg)
        if not step_deg > 0:
            raise InputError(f"geometry.step_deg={step_deg}: expected a positive number of degrees")
    scanned = _scanned(picked, scan_views, angles_deg)
    # A scan of more than the arc repeats its first views: an even choice stays below.
    different = scanned if step_deg is None else round(min(scanned, arc_deg / step_deg))
    numbers = _numbers(picked, scanned, different)
    if angles_deg is not None:
        degrees = start_deg + np.array(angles_deg, dtype=np.float64)[list(numbers)]
    else:
        degrees = start_deg + (step_deg or arc_deg / scanned) * np.array(numbers)
    return Views(numbers, scanned, tuple(np.deg2rad(degrees).tolist()))


def _check_angles(angles_deg: Sequence[int | float], scan_views: int | None, step_deg: float | None) -> None:
    if step_deg is not None or scan_views not in (None, len(angles_deg)):
        raise InputError(f"geometry.angles_deg lists {len(angles_deg)} views: expected step_deg=null and scan_views=null beside it")
    if not angles_deg:
        raise InputError("geometry.angles_deg=[]: expected a list of angles in degrees")
    for angle in angles_deg:
        check_angle("angles_deg", angle)
    low, high = min(angles_deg), max(angles_deg)
    if len(angles_deg) >= FEW and high - low > LEAST_RAD and max(-low, high) < MOST_RAD:
        raise InputError(
            f"geometry.angles_deg: {len(angles_deg)} angles from {low:.4g} to {high:.4g}: are these radians? expected degrees "
            f"(up to {np.rad2deg(high):.4g}); for a scan of so few degrees say start_deg and step_deg instead"
        )


def _scanned(picked: Any, scan_views: int | None, angles_deg: Sequence[int | float] | None) -> int:
    """How many views the scanner took."""
    if isinstance(picked, str) and ":" not in picked:
        raise InputError(
            f"geometry.views={_shown(picked)}: expected a number of views, a list of view numbers, a slice such as 0:181, or null"
        )
    name, number = "scan_views", scan_views
    if angles_deg is not None:
        name, number = "angles_deg", len(angles_deg)
    elif scan_views is None:
        name, number = "views", picked
    if number is None or isinstance(number, str | Sequence):
        raise InputError(
            f"geometry.views={_shown(picked)}: picking views needs geometry.scan_views, the number that the scanner took"
        )
    check_count(name, number, 1)
    return number


def _numbers(picked: int | str | Sequence[int] | None, scanned: int, different: int) -> tuple[int, ...]:
    """Numbers of the picked views."""
    if picked is None:
        return tuple(range(scanned))
    if isinstance(picked, str):
        numbers = _sliced(picked, scanned)
    elif is_number(picked, int):
        numbers = range(picked) if picked == scanned else [k * different // picked for k in range(min(picked, scanned + 1))]
    else:
        numbers = picked if isinstance(picked, Sequence) and all(is_number(n, int) for n in picked) else []
    if not len(numbers) or min(numbers) < 0 or max(numbers) >= scanned or len(set(numbers)) < len(numbers):
        raise InputError(
            f"geometry.views={_shown(picked)}: expected different views among the scanner's 0 to {scanned - 1}, "
            "as a number of them, a list of view numbers, or a slice such as 0:181"
        )
    return tuple(numbers)


def _sliced(picked: str, scanned: int) -> Sequence[int]:
    try:
        return range(scanned)[slice(*(int(part) if part else None for part in picked.split(":")))]
    except (ValueError, TypeError):
        raise InputError(f"geometry.views={picked}: expected a slice such as 0:181 or ::2") from None


def _shown(picked: Any) -> str:
    return picked if isinstance(picked, str) else reprlib.repr(picked)  # long lists shortened
