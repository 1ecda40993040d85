"""The words of a command line, checked by Hydra and OmegaConf alone: torch, which takes seconds, is loaded for those that are right."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctrecon.config.compose import compose, config_of
from ctrecon.config.conf import defaults, groups
from ctrecon.config.options import options, takes_words
from ctrecon.config.plan import plan_of
from ctrecon.config.words import Words, unknown
from ctrecon.errors import InputError

OWN = ("train",)  # whose module loads nothing before it has checked its words
ON_IMAGES = ("evaluate", "certify", "reproduce")  # verbs that read the images of the configuration


def check(verb: str, words: Sequence[str]) -> None:
    """Everything that can be said of the words of a verb before it works.

    Raises:
        InputError: A word is unknown or of another kind, a file or a run is not there, or its configuration cannot be read.
    """
    if verb in OWN:
        return
    words, known = Words(words), defaults(verb)
    of_experiment = words.only(lambda word: word.key not in known and not word.about_hydra)
    if takes_words(verb):
        top = {*groups(), *defaults("train")}
        for word in of_experiment.parsed:
            if "." not in word.key and word.key not in top:
                raise unknown(word.key, [*known, *top])
    if of_experiment and "run" not in [word.key for word in words.parsed] and takes_words(verb):
        compose(of_experiment)
    chosen, _ = options(verb, words)
    if "figure" in chosen:
        plan_of(chosen["figure"], chosen["profile"])
    if not of_experiment and not chosen.get("run"):
        return  # what is shipped is right
    config = config_of(chosen.get("run"), of_experiment)
    if verb in ON_IMAGES:
        check_images(config)


def check_images(config: dict[str, Any]) -> None:
    """Raises InputError where the configuration names a file of images that is not there."""
    data = config.get("data")
    file = data.get("file") if isinstance(data, dict) else None
    if isinstance(file, str) and file != "???" and not Path(file).exists():
        raise InputError(f"data.file={file}: no such file or folder; expected where the images are")


def check_training(words: Words) -> None:
    """As `check`, for the words of a training; of a sweep, the first one."""
    check_images(compose(words))
