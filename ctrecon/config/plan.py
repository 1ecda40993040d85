"""The plan of a figure: whom it shows, at which sizes, turns, seeds and learning rates."""

from collections.abc import Callable
from typing import Any

from omegaconf import OmegaConf

from ctrecon.config.conf import CONF
from ctrecon.errors import InputError


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


LISTS: dict[str, tuple[Callable[[Any], bool], str]] = {  # that may be given on the command line
    "contestants": (lambda name: isinstance(name, str), "names, such as contestants=[plain,c4]"),
    "sizes": (lambda size: size == "all" or (type(size) is int and size > 0), "numbers of images, such as sizes=[5,20,all]"),
    "turns": (_number, "angles in degrees, such as turns=[0,90]"),
    "seeds": (lambda seed: type(seed) is int and seed >= 0, "whole numbers, such as seeds=[0,1,2]"),
    "rates": (lambda rate: _number(rate) and rate > 0, "positive numbers, such as rates=[1e-3,3e-3]"),
}


NEEDED = ("title", "contestants", "sizes", "turns", "draw")


def plan_of(figure: str, profile: str, **others: Any) -> dict[str, Any]:
    """The options of a figure, those of the `profile`, and the `known` contestants.

    Args:
        figure: A name in conf/figure.
        profile: A name in conf/profile.
        others: Contestants, sizes, turns, seeds and rates instead of theirs; None: theirs.

    Raises:
        InputError: There is no such figure or profile, or one of the others is no list of what it should be.
    """
    given = {key: value for key, value in others.items() if value is not None}
    for key, values in given.items():
        fits, expected = LISTS[key]
        if not values or not isinstance(values, list) or not all(map(fits, values)) or len(set(values)) < len(values):
            raise InputError(f"{key}={values}: expected different {expected}")
    for kind, name in (("figure", figure), ("profile", profile)):
        members = sorted(path.stem for path in (CONF / kind).glob("*.yaml"))
        if name not in members:
            raise InputError(f"{kind}={name}: expected one of {', '.join(members)}")
    load = OmegaConf.load
    parts = {"known": load(CONF / "contestants.yaml"), "profile": load(CONF / "profile" / f"{profile}.yaml")}
    plan = OmegaConf.to_container(OmegaConf.merge(parts, load(CONF / "figure" / f"{figure}.yaml")), resolve=True)
    if missing := [key for key in NEEDED if key not in plan]:
        raise InputError(
            f"conf/figure/{figure}.yaml: has no {', '.join(missing)}; expected {', '.join(NEEDED)}, as the others have"
        )
    return {"seeds": plan["profile"]["seeds"], "rates": plan["profile"]["rates"]} | plan | given
