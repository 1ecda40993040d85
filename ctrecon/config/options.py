"""The options of a verb: their defaults stand in conf/VERB.yaml, their kinds in the annotations of the verb's function."""

from collections.abc import Callable, Iterable
from typing import Any

from ctrecon.config.compose import checked
from ctrecon.config.conf import defaults
from ctrecon.config.kind import hints
from ctrecon.config.words import Words, unknown
from ctrecon.errors import InputError


def options(verb: Callable[..., Any], words: Iterable[str]) -> tuple[dict[str, Any], Words]:
    """The arguments of a verb, and the words that are not about them but about the experiment.

    Args:
        verb: A function of its module; where it takes no `words`, there may be no others.
        words: Of the command line.

    Raises:
        InputError: An option is missing or unknown, or has a value of another kind.
    """
    parsed, name, kinds = Words(words), verb.__module__.rpartition(".")[2], hints(verb)
    chosen = defaults(name)
    known = tuple(chosen)
    for word in parsed.parsed:
        if word.key in known:
            if word.several:
                raise InputError(f"{word.text}: several values; expected one")
            chosen[word.key] = checked(word, kinds, chosen[word.key])
    for key in known:
        if chosen[key] == "???":
            raise InputError(f"ctrecon {name}: {key}= is missing; see ctrecon {name} --help")
    rest = parsed.only(lambda word: word.key not in known)
    if rest and "words" not in kinds:
        raise unknown(rest.parsed[0].key, list(known))
    return chosen, rest
