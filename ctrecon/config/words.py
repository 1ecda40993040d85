"""Words of the command line: GROUP=MEMBER or KEY=VALUE, in Hydra's grammar, parsed once."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrecon.errors import InputError

MOST = 1000  # values of one word of a sweep


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes:
        text: As it was given.
        key: What stands before the first =.
        values: What stands behind it; several in a sweep such as conv=plain,c4.
        several: The words of a sweep; none where this is not one.
    """

    text: str
    key: str
    values: tuple[Any, ...]
    several: tuple[str, ...] = ()

    @property
    def written(self) -> str:
        """The value as it was given."""
        return self.text.partition("=")[2].strip()

    @property
    def texts(self) -> tuple[str, ...]:
        """Each of the values as it was given."""
        return tuple(one.partition("=")[2] for one in self.several) or (self.written,)

    @property
    def about_hydra(self) -> bool:
        """Whether it says where trainings run, and not what they are."""
        return self.key.replace("/", ".").split(".")[0] == "hydra"


class Words(Sequence[str]):
    """Words of a command line, as texts and as parsed.

    Args:
        texts: The words; a `Words` is taken as it is.

    Raises:
        InputError: One is not KEY=VALUE.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.parsed: tuple[Word, ...] = texts.parsed if isinstance(texts, Words) else tuple(map(_parse, texts))

    def __getitem__(self, index):
        return [word.text for word in self.parsed][index]

    def __len__(self) -> int:
        return len(self.parsed)

    def __iter__(self) -> Iterator[str]:
        return (word.text for word in self.parsed)

    def only(self, condition) -> "Words":
        """Those words for which a condition holds."""
        chosen = Words()
        chosen.parsed = tuple(filter(condition, self.parsed))
        return chosen

    @property
    def swept(self) -> list[str]:
        """The keys that are given several values, as -m sweeps over."""
        return [word.key for word in self.parsed if word.several]

    def each(self) -> list[list[str]]:
        """The words of each training of a sweep, in the order of Hydra's basic sweeper: the last key varies fastest."""
        return [list(one) for one in product(*(word.several or (word.text,) for word in self.parsed))]


def unknown(key: str, known: list[str]) -> InputError:
    """What to say of a key that does not exist: the nearest ones, all where they are few, or where to look."""
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.5) or [k for k in known if k.split(".")[-1] == key.split(".")[-1]]
    if close:
        return InputError(f"{key}: no such option; did you mean {' or '.join(close)}?")
    if len(known) < 12:
        return InputError(f"{key}: no such option; expected one of {', '.join(known)}")
    return InputError(f"{key}: no such option; ctrecon VERB --help lists them")


def first_line(error: BaseException) -> str:
    """The first line of a library's error."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _parse(text: str) -> Word:
    wrong = InputError(f"{text[:80]}: expected KEY=VALUE, quoted ('VALUE') where the value has spaces, brackets or accents")
    if "=" not in text and not text.startswith("~"):
        raise InputError(f"{text[:80]}: expected KEY=VALUE, such as {text[:80] or 'seed'}=...")
    if text.startswith("-"):
        raise InputError(f"{text[:80]}: words have no dashes; expected {text.lstrip('-')[:80].replace(' ', '=') or 'KEY=VALUE'}")
    try:
        override = OverridesParser.create().parse_override(text)
        several = _several(override)
        values = tuple(_parse(one).values[0] for one in several) or (_resolved(override.value()),)
    except InputError:
        raise
    except OmegaConfBaseException as error:  # of ${...}, which names what is missing
        raise InputError(f"{wrong} ({first_line(error)[:120]})") from None
    except (HydraException, RecursionError, ValueError, TypeError):  # whose words are those of a parser
        raise wrong from None
    word = Word(text, override.key_or_group, values, several)
    if not word.about_hydra and (override.type is not OverrideType.CHANGE or override.package is not None):
        raise wrong
    return word


def _several(override: Override) -> tuple[str, ...]:
    """The words of a sweep."""
    if not override.is_sweep_override():
        return ()
    values = list(islice(override.sweep_string_iterator(), MOST + 1))
    if len(values) > MOST:
        raise InputError(f"{override.key_or_group}: more than {MOST} values; expected fewer in one sweep")
    return tuple(f"{override.key_or_group}={value}" for value in values)


def _resolved(value: Any) -> Any:
    """A value whose ${oc.env:NAME} and the like are replaced."""
    return OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)["value"]
