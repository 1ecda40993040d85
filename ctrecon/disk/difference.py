"""What is different about two configurations: the keys that differ, and nothing else."""

from collections.abc import Iterator
from typing import Any

SHORT = 6  # values of a list that is shown whole


def differences(there: Any, here: Any, key: str = "") -> Iterator[str]:
    """A text for each value that differs; of long lists the first one.

    Example:
        >>> list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}))
        ['a.c: 2 there, 3 here']
    """
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*there, *here]):
            yield from differences(there.get(name), here.get(name), f"{key}.{name}" if key else str(name))
    elif there != here:
        yield _listed(there, here, key) or f"{key}: {there} there, {here} here"


def _listed(there: Any, here: Any, key: str) -> str | None:
    """What is different about two lists that are too long to show; None: they are not."""
    if not (isinstance(there, list) and isinstance(here, list) and max(len(there), len(here)) > SHORT):
        return None
    if len(there) != len(here):
        return f"{key}: {len(there)} values there, {len(here)} here"
    apart = [k for k, (one, other) in enumerate(zip(there, here, strict=True)) if one != other]
    return f"{key}[{apart[0]}]: {there[apart[0]]} there, {here[apart[0]]} here, {len(apart)} of {len(here)} differ"
