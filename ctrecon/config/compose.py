"""Words -> the configuration of an experiment, as plain values. Every word is checked before anything is built.

With dispatch.py the home of Hydra, which puts together what conf/train.yaml lists.
"""

import copy
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ctrecon.config.conf import CONF, groups
from ctrecon.config.kind import fits, in_words, is_word
from ctrecon.config.make import kinds
from ctrecon.config.member import check_member, is_file, options_of
from ctrecon.config.words import Word, Words, first_line, unknown
from ctrecon.errors import InputError
from ctrecon.runs.run import Run

NOT_THE_RUN = (
    "swept",
    "run_dir",
    "device",
    "devices",
    "nodes",
    "workers",
    "compile",
    "tensorboard",
    "name",
    "fov_said",
)  # where and how, not what


def compose(words: Iterable[str]) -> dict[str, Any]:
    """The configuration of an experiment: conf/train.yaml with words such as conv=c4 or fit.steps=10.

    Raises:
        InputError: A word does not parse, or names an unknown key, an unknown member or a value of another kind.
    """
    return composed(Words(words))[0]


def composed(words: Words) -> tuple[dict[str, Any], dict[str, str | None]]:
    """As `compose`, with the member of each group. Of a sweep the first value of each word is taken."""
    known = groups()
    _check_members(words, known)
    members = {word.key: "null" if word.values[0] is None else str(word.values[0]) for word in words.parsed if word.key in known}
    # What an experiment or a model overrides depends on the members: then Hydra puts them together. Else one takes the place of another (`amend`).
    by_hydra = {"experiment", "model"} if members.get("experiment", "null") == "null" else set(members)
    by_hydra = {group for group in by_hydra if not is_file(group, members.get(group, ""))}
    choices = [f"{group}={name}" for group, name in members.items() if group in by_hydra]
    if is_file("model", members.get("model", "")):
        choices.append("model=unrolled")  # which overrides nothing, as a file does
    values, chosen = copy.deepcopy(_put_together((*choices, *words.only(lambda word: word.about_hydra))))
    for group, name in members.items():
        if group not in by_hydra:
            values[group], chosen[group] = options_of(group, name), Path(name).stem if is_file(group, name) else name
    _change(values, words.only(lambda word: word.key not in known and not word.about_hydra))
    return values, chosen


def amend(config: dict[str, Any], words: Iterable[str]) -> dict[str, Any]:
    """The configuration of a run, changed by words: GROUP=MEMBER replaces a group, KEY=VALUE a value.

    Raises:
        InputError: As for `compose`.
    """
    words, changed = Words(words), copy.deepcopy(config)
    known = {group: members for group, members in groups().items() if group != "experiment"}  # which is for trainings
    _check_members(words, known)
    for word in words.parsed:
        if word.several:
            raise InputError(f"{word.text}: several values; expected one")
        if word.key in known:
            changed[word.key] = options_of(word.key, str(word.values[0]))
    _change(changed, words.only(lambda word: word.key not in known))
    return changed


def config_of(run: str | None, words: Iterable[str]) -> dict[str, Any]:
    """The configuration of a run folder, or of conf/train.yaml, changed by words.

    Raises:
        InputError: As for `compose`, or a model is chosen beside that of the run, whose weights are another's.
    """
    if not run:
        return compose(words)
    words = Words(words)
    for word in words.parsed:
        if word.key == "model":
            raise InputError(f"run={run} {word.text}: a run has a model already; expected one of the two: leave out run= or model=")
    return amend(Run(run).config(), words)


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that a run is known by: this goes into config.yaml.

    Raises:
        InputError: A value is missing.
    """
    kept = {key: value for key, value in config.items() if key not in NOT_THE_RUN}
    for key in _missing(kept):
        raise InputError(f"{key} is missing: say {key}=VALUE")
    return kept


def says_field_of_view(words: Words) -> bool:
    """Whether words say the field of view: geometry.fov_m=METRES, or a geometry of one's own."""
    return any(
        word.key == "geometry.fov_m" or (word.key == "geometry" and str(word.values[0]) not in groups()["geometry"])
        for word in words.parsed
    )


@lru_cache(maxsize=8)  # the trainings of a sweep mostly differ by values only
def _put_together(words: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Hydra's part: the chosen member of every group, and what an experiment file overrides."""
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose("train", list(words), return_hydra_config=True)
        choices = {group: config.hydra.runtime.choices.get(group) for group in groups()}
        with open_dict(config):
            del config["hydra"]
        return OmegaConf.to_container(config, resolve=True), choices
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(first_line(error)) from None


def _check_members(words: Words, known: Iterable[str]) -> None:
    for word in words.parsed:
        for name in word.values if word.key in known else ():
            check_member(word.key, name)


def _change(config: dict[str, Any], words: Words) -> None:
    """Set the values that words name."""
    for word in words.parsed:
        *path, name = word.key.split(".")
        node = config
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict) or name not in node or name.startswith("_"):
            raise unknown(word.key, list(_keys(config)))
        node[name] = checked(word, kinds(path[0], config[path[0]]) if path else kinds("", {}), node[name])


def checked(word: Word, hints: dict[str, Any], default: Any) -> Any:
    """The value of a word, or the first of several.

    Args:
        word: The word.
        hints: The annotation of each option.
        default: The value without the word, for the message.

    Raises:
        InputError: A value is of another kind than its annotation.
    """
    hint = hints.get(word.key.split(".")[-1], Any)
    numbers_are_words = is_word(hint)
    values = [
        text if numbers_are_words and isinstance(one, int | float) else one
        for one, text in zip(word.values, word.texts, strict=True)
    ]
    for value, text in zip(values, word.texts, strict=True):
        if not fits(value, hint):
            example = "" if default in (None, "???") else f", such as {default}"
            raise InputError(f"{word.key}={text}"[:80] + f": expected {in_words(hint)}{example}")
    return values[0]


def _keys(config: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        if not str(key).startswith("_"):
            yield f"{prefix}{key}"
            yield from _keys(value, f"{prefix}{key}.") if isinstance(value, dict) else ()


def _missing(config: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _missing(value, f"{prefix}{key}.")
        elif value == "???":
            yield f"{prefix}{key}"
