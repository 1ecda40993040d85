"""The options of a verb: their defaults stand in conf/VERB.yaml, their kinds in the annotations of the verb's function."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, get_args, get_origin

from ctrecon.config.compose import checked
from ctrecon.config.conf import defaults
from ctrecon.config.kind import alternatives, fits, is_word, takes_lists
from ctrecon.config.place import found
from ctrecon.config.source import annotations
from ctrecon.config.words import Word, Words, unknown
from ctrecon.errors import InputError


def options(verb: str, words: Iterable[str]) -> tuple[dict[str, Any], Words]:
    """The arguments of a verb, and the words that are not about them but about the experiment.

    Args:
        verb: Its name. The function of that name in its module, or of that name and `_run`, says the kinds; where it takes no `words`,
            there may be no others.
        words: Of the command line.

    Raises:
        InputError: An option is missing or unknown, has a value of another kind, or names a file or a run that is not there.
    """
    parsed, kinds = Words(words), kinds_of(verb)
    chosen = defaults(verb)
    known = tuple(chosen)
    for word in parsed.parsed:
        if word.key in known:
            chosen[word.key] = checked(_listed(word, kinds[word.key]), kinds, chosen[word.key])
    for key in known:
        if chosen[key] == "???":
            raise InputError(f"{key}= is missing; see ctrecon {verb} --help")
    rest = parsed.only(lambda word: word.key not in known)
    if rest and not takes_words(verb):
        raise unknown(rest.parsed[0].key, list(known))
    return {key: found(value, kinds[key]) for key, value in chosen.items()}, rest


def takes_words(verb: str) -> bool:
    """Whether a verb takes words about the experiment, beside its own options."""
    return "words" in kinds_of(verb)


def kinds_of(verb: str) -> dict[str, Any]:
    """The annotation of each option of a verb."""
    try:
        return annotations(f"ctrecon.{verb}.{verb}_run")
    except LookupError:
        return annotations(f"ctrecon.{verb}.{verb}")


def _listed(word: Word, hint: Any) -> Word:
    """A word whose option takes a list, with the list that it looks like: turns=0,90 and turns=0 are [0,90] and [0].

    Raises:
        InputError: It has several values, and the option takes one.
    """
    value = word.values[0]
    if not takes_lists(hint):
        if word.several:
            raise InputError(f"{word.text}: several values; expected one")
        return word
    if not word.several and (value is None or isinstance(value, list | dict) or fits(value, hint) or is_word(hint)):
        return word
    (item,) = (get_args(kind)[0] for kind in alternatives(hint) if get_origin(kind) is list)
    items = [text if is_word(item) and not isinstance(one, str) else one for one, text in zip(word.values, word.texts, strict=True)]
    return replace(word, values=(items,), several=())
