"""The plan of a figure: whom it shows, at which sizes, turns, seeds and learning rates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrecon.config.conf import CONF
from ctrecon.config.kind import fits, in_words
from ctrecon.config.place import GuestName, RunName
from ctrecon.config.words import first_line
from ctrecon.disk.yaml_file import read_yaml
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


KINDS: dict[str, Any] = {"trained": list[str], "averaged": str, "classical": list[str], "guests": GuestName, "images": str}
NEEDED = ("title", "contestants", "sizes", "turns", "draw")


def plan_of(figure: str, profile: str, contestants_file: str | None = None, **others: Any) -> dict[str, Any]:
    """The options of a figure, those of the `profile`, and the `known` contestants.

    Args:
        figure: A name in conf/figure.
        profile: A name in conf/profile.
        contestants_file: Of the user's own, in the form of conf/contestants.yaml: who takes part beside the figure's.
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
    own = _own(Path(contestants_file)) if contestants_file else {}
    known = OmegaConf.merge(load(CONF / "contestants.yaml"), own)
    parts = {"known": known, "profile": load(CONF / "profile" / f"{profile}.yaml")}
    try:
        plan = OmegaConf.to_container(OmegaConf.merge(parts, load(CONF / "figure" / f"{figure}.yaml")), resolve=True)
    except OmegaConfBaseException as error:  # what ${...} of the user's file means
        raise InputError(f"contestants_file={contestants_file}: {first_line(error)}") from None
    if missing := [key for key in NEEDED if key not in plan]:
        raise InputError(
            f"conf/figure/{figure}.yaml: has no {', '.join(missing)}; expected {', '.join(NEEDED)}, as the others have"
        )
    plan["contestants"] += [name for kind in own.values() for name in kind]
    return {"seeds": plan["profile"]["seeds"], "rates": plan["profile"]["rates"]} | plan | given


def words_of(plan: dict[str, Any]) -> list[str]:
    """The words of every training of a plan: the profile's, then the figure's, whose `model` takes the place of the profile's."""
    profile = plan["profile"]
    return [*profile["words"], *plan.get("model", profile["model"]), f"conv.channels={profile['width']}", *plan.get("words", [])]


def _own(path: Path) -> dict[str, dict[str, Any]]:
    """The contestants of a user's file. Raises InputError where it is not in the form of conf/contestants.yaml, or names one that is known."""
    content = read_yaml(path)
    known = OmegaConf.to_container(OmegaConf.load(CONF / "contestants.yaml"))
    if (
        not isinstance(content, dict)
        or not content
        or not all(kind in KINDS and isinstance(content[kind], dict) for kind in content)
    ):
        raise InputError(f"{path}: expected contestants by name under some of {', '.join(KINDS)}, as in conf/contestants.yaml")
    there = [name for kind in known.values() for name in kind]
    trained = [*known["trained"], *content.get("trained", {})]
    for kind, entries in content.items():
        for name, value in entries.items():
            if name in there:
                raise InputError(f"{path}: {name}: there is a contestant of this name already; expected another name")
            if not fits(name, RunName) or "/" in name:
                raise InputError(f"{path}: {name}: expected a name that can be that of a folder")
            if not fits(value, KINDS[kind]):
                raise InputError(f"{path}: {kind}: {name}: {str(value)[:80]}: expected {in_words(KINDS[kind])}")
            if kind == "averaged" and value not in trained:
                raise InputError(f"{path}: averaged: {name}: {value}: expected one that is trained: {', '.join(trained)}")
            there.append(name)
    return content
