"""YAML of configurations, as plain values. Files travel: what is read is bounded, and has no references that could multiply it.

Numbers are those of YAML 1.2: 1e-3 is one, 10:50 (600 + 50 of YAML 1.1) and dates are words.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from ctrecon.errors import InputError

LARGEST = 2**20  # bytes
MOST = 100_000  # values: angles of a scan, say
DEEPEST = 20  # lists and mappings in one another; a run's configuration has 3
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBERS = {"tag:yaml.org,2002:float": _FLOAT, "tag:yaml.org,2002:int": _INT}
_NOT_READ = {*_NUMBERS, "tag:yaml.org,2002:timestamp"}  # as YAML 1.1 has them


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag not in _NOT_READ]
        for first, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(yaml.SafeDumper):  # quotes what either version would take for a number
    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern in _NUMBERS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern.pattern})$"), list("-+.0123456789"))


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises InputError as `parse_yaml` does, and where it is no text in UTF-8."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    try:
        return parse_yaml(content.decode(), str(path))
    except UnicodeDecodeError:
        _check_size(len(content), str(path))
        raise InputError(f"{path}: expected text in UTF-8") from None


def parse_yaml(text: str, where: str) -> Any:
    """The content of a YAML text.

    Args:
        text: The text.
        where: Where it stands, for messages.

    Raises:
        InputError: It is no YAML, too large, nested too deeply, or has anchors, aliases, tags or keys that are no words.
    """
    _check_size(len(text), where)
    try:
        _check_events(text, where)
        content = yaml.load(text, _Loader)
        _check_keys(content, where)
        return content
    except InputError:
        raise
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits
        if "nesting depth" in str(error):  # newer libyaml has a bound of its own
            raise InputError(f"{where}: more than {DEEPEST} levels of YAML; expected a configuration") from None
        raise InputError(f"{where}: not readable YAML ({' '.join(str(error).split())[:120]})") from None


def as_yaml(content: Any) -> str:
    """A YAML text of plain values, in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False)


def _check_size(size: int, where: str) -> None:
    if size > LARGEST:
        raise InputError(f"{where}: more than {LARGEST:,} bytes of YAML; expected a configuration")


def _check_events(text: str, where: str) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.CSafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or number > MOST:
            raise InputError(f"{where}: more than {DEEPEST} levels or {MOST:,} values of YAML; expected a configuration")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise InputError(f"{where}: &{event.anchor} or *{event.anchor}: anchors and aliases are not read: write the values out")
        if getattr(event, "tag", None) is not None:
            raise InputError(f"{where}: {event.tag}: tags are not read: leave it out")


def _check_keys(content: Any, where: str) -> None:
    for key in content if isinstance(content, dict) else ():
        if not isinstance(key, str):
            raise InputError(f"{where}: {key}: expected a word before the colon")
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        _check_keys(part, where)
