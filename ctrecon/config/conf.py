"""The folder conf/: a file for each verb's options, a folder for each group of what an experiment is made of."""

from functools import cache
from pathlib import Path
from typing import Any

from ctrecon.disk.yaml_file import read_yaml

_HERE = Path(__file__).parents[1]
CONF = next(folder for folder in (_HERE / "conf", _HERE.parent / "conf") if folder.is_dir())  # a wheel's, a checkout's
NO_GROUPS = ("figure", "profile")  # folders of options of ctrecon reproduce


def groups() -> dict[str, list[str]]:
    """The groups and their members."""
    return dict(_groups(CONF))


@cache  # asked for with each word
def _groups(conf: Path) -> dict[str, list[str]]:
    folders = sorted(p for p in conf.iterdir() if p.is_dir() and p.name not in NO_GROUPS)
    return {folder.name: sorted(p.stem for p in folder.glob("*.yaml")) for folder in folders}


def member(group: str, name: str) -> dict[str, Any]:
    """The options of a member of a group, without what it says of other groups."""
    return {key: value for key, value in read_yaml(CONF / group / f"{name}.yaml").items() if key != "defaults"}


def defaults(verb: str) -> dict[str, Any]:
    """The options of a verb; "???" where one has to be given."""
    return read_yaml(CONF / f"{verb}.yaml")
