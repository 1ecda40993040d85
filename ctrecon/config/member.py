"""A member of a group: one of conf/GROUP by its name, or anybody's by the path of a YAML file of the same form.

A file travels, so it is held to what a run folder's configuration is held to: it may name classes of the group's noun only (`make`),
each option has to be one of that class and of its kind, and YAML is read without references and within bounds (`disk.yaml_file`).
"""

from pathlib import Path
from typing import Any

from ctrecon.config.conf import groups, member
from ctrecon.config.make import MARKS, check_kinds, kinds
from ctrecon.config.words import unknown
from ctrecon.disk.yaml_file import read_yaml
from ctrecon.errors import InputError
from ctrecon.runs.moved import current

SUFFIXES = (".yaml", ".yml")


def check_member(group: str, name: Any) -> None:
    """Raises InputError where a word names neither a member of its group nor a file that can be one."""
    known, name = groups()[group], "null" if name is None else str(name)
    if name in known or (group, name) == ("experiment", "null"):
        return
    if group == "experiment" or not name.endswith(SUFFIXES):
        file = "" if group == "experiment" else ", or a file ending in .yaml"
        raise InputError(f"{group}={name[:80]}: expected one of {', '.join(known)}{file}")
    if not Path(name).is_file():
        raise InputError(f"{group}={name}: no such file; expected one in the form of conf/{group}, or one of {', '.join(known)}")


def is_file(group: str, name: str) -> bool:
    """Whether a member is the path of a file. A name in conf/ comes first."""
    return name.endswith(SUFFIXES) and name not in groups()[group]


def options_of(group: str, name: str) -> dict[str, Any]:
    """The options of a member, with its class as `_target_`. Raises InputError where a file holds none."""
    return checked_node(group, read_yaml(Path(name)), name) if is_file(group, name) else member(group, name)


def checked_node(group: str, node: Any, where: str) -> dict[str, Any]:
    """What a file holds, with the class where it is today. Raises InputError, about `where`, where it is no member of the group."""
    if not isinstance(node, dict) or "_target_" not in node:
        raise InputError(f"{where}: no {group} in the form of conf/{group}; expected one, with its _target_, or another file name")
    beside = ("unit",) if group == "geometry" else ()  # of the sinogram that the file lies beside
    node = current({key: value for key, value in node.items() if key not in beside})
    try:
        annotations = kinds(group, node)
        given = {key: value for key, value in node.items() if key not in MARKS and value != "???"}
        for key in given:
            if key not in annotations:
                raise unknown(f"{group}.{key}", [f"{group}.{name}" for name in annotations])
        check_kinds(group, given, annotations)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return node
