"""Kinds of values: whether one is what an annotation says, and the annotation in words.

The annotations of constructors and verbs are the only place where the kind of an option stands. No library reads them as it is needed
here: beartype looks at one random item of a list; structured configurations of OmegaConf know no `str | list[str]`, take NaN for a
number, and write 90 as 90.0.
"""

import inspect
import re
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST = 2**63 - 1  # whole number
FLOAT32 = 3.4e38  # the largest number of the type that is computed in


@dataclass(frozen=True)
class Range:
    """Bounds of a whole number, both included."""

    low: int
    high: int = LARGEST

    def fits(self, value: int) -> bool:
        """Whether it is within."""
        return self.low <= value <= self.high

    def of(self, kind: str) -> str:
        """How a person says it."""
        return f"{kind} of at least {self.low}" + f" and at most {self.high}" * (self.high < LARGEST)


@dataclass(frozen=True)
class Form:
    """The form of a word.

    Attributes:
        pattern: Of the whole word.
        words: How a person says it.
    """

    pattern: str
    words: str

    def fits(self, value: str) -> bool:
        """Whether it has the form."""
        return re.fullmatch(self.pattern, value) is not None

    def of(self, kind: str) -> str:
        """How a person says it."""
        return self.words


@dataclass(frozen=True)
class Above:
    """A bound of a number, not included."""

    low: int | float

    def fits(self, value: int | float) -> bool:
        """Whether it is above."""
        return value > self.low

    def of(self, kind: str) -> str:
        """How a person says it."""
        return f"{kind} above {self.low:g}"


Seed = Annotated[int, Range(0)]
Count = Annotated[int, Range(1)]
Positive = Annotated[float, Above(0)]
Device = Annotated[
    str, Form("auto|cpu|cuda(:[0-9]{1,3})?", "auto, cpu or cuda (cuda:1 is the second one; Apple's mps is not supported)")
]
_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a word",
    bool: "true or false",
    type(None): "null",
    dict: "options by name",
}


def hints(of: Any) -> dict[str, Any]:
    """The annotations of the arguments of a class or function, or of the keys of a TypedDict."""
    annotated = of.__init__ if inspect.isclass(of) and not hasattr(of, "__total__") else of
    return {name: hint for name, hint in get_type_hints(annotated, include_extras=True).items() if name != "return"}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from a file or the command line is what an annotation says.

    true and false are no numbers; a whole number is a number; every number is one that float32 holds, every word has a letter.

    Example:
        >>> fits(1, float), fits(True, int), fits(float("nan"), float), fits([1, "a"], list[int]), fits(None, int | None)
        (True, False, False, False, True)
    """
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Annotated:
        return fits(value, parts[0]) and all(mark.fits(value) for mark in parts[1:])
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return isinstance(value, list | tuple) and all(fits(item, parts[0]) for item in value)
    if hint is float:
        return type(value) in (int, float) and abs(value) <= FLOAT32  # which NaN is not
    if hint is int:
        return type(value) is int and abs(value) <= LARGEST
    if hint is str:
        return type(value) is str and value.strip() != "" and "\0" not in value
    return inspect.isclass(hint) and isinstance(value, hint)


def is_word(hint: Any) -> bool:
    """Whether an annotation is one of words and not of numbers: then 2024 is a word too.

    Example:
        >>> is_word(str | None), is_word(int | str)
        (True, False)
    """
    parts = alternatives(hint)
    return str in parts and not {int, float, bool} & set(parts)


def takes_lists(hint: Any) -> bool:
    """Whether an annotation is one of lists: then 0,90 and 0 are lists too.

    Example:
        >>> takes_lists(list[int] | None), takes_lists(str | list[str]), takes_lists(str)
        (True, True, False)
    """
    return any(get_origin(part) is list for part in alternatives(hint))


def alternatives(hint: Any) -> list[Any]:
    """The kinds of which a value may be one, without their marks."""
    if get_origin(hint) is Annotated:
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [one for part in get_args(hint) for one in alternatives(part)]
    return [hint]


def marks(hint: Any) -> list[Any]:
    """What an annotation says beside the kind, in all its alternatives."""
    if get_origin(hint) is Annotated:
        return [*hint.__metadata__, *marks(get_args(hint)[0])]
    return [mark for part in get_args(hint) for mark in marks(part)] if get_origin(hint) in (Union, types.UnionType) else []


def in_words(hint: Any) -> str:
    """An annotation as a person says it.

    Example:
        >>> in_words(int | None), in_words(str | list[str]), in_words(Seed)
        ('a whole number or null', 'a word or a list of words', 'a whole number of at least 0')
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        said = list(dict.fromkeys(in_words(part) for part in parts if part is not int or float not in parts))
        return " or ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else said[0]
    if origin is Annotated:
        return parts[1].of(in_words(parts[0]))
    if origin is Literal:
        return " or ".join(parts)
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list of {re.sub('a (whole number|number|word)', lambda one: one[1] + 's', in_words(parts[0]))}"
    return _NAMES.get(hint, getattr(hint, "__name__", str(hint)))
