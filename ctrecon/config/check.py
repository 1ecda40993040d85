"""The words of a command line, checked by Hydra and OmegaConf alone: torch, which takes seconds, is loaded for those that are right."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctrecon.config.compose import compose, config_of
from ctrecon.config.conf import defaults, groups
from ctrecon.config.options import kinds_of, options, takes_words
from ctrecon.config.place import check_new
from ctrecon.config.plan import LISTS, plan_of, words_of
from ctrecon.config.words import Words, unknown
from ctrecon.errors import InputError
from ctrecon.runs.run import CONFIG

OWN = ("train",)  # whose module loads nothing before it has checked its words
MEASURED = {"run": "DIR", "guest": "package.module:function", "images": "FOLDER"}  # what ctrecon evaluate takes one of
ON_IMAGES = ("evaluate", "certify", "reproduce")  # verbs that read the images of the configuration


def check(verb: str, words: Sequence[str]) -> Sequence[str]:
    """Everything that can be said of the words of a verb before it works; returns them, parsed where that is done here.

    Raises:
        InputError: A word is unknown or of another kind, a file or a run is not there, its configuration cannot be read, or what is to
            be written cannot be.
        OSError: Nothing can be written there.
    """
    if verb in OWN:
        return words
    words = Words(words)
    chosen, of_experiment = options(verb, _known_words(verb, words))
    before: list[str] = []
    if "figure" in chosen:
        lists = {key: chosen[key] for key in LISTS}
        before = words_of(plan_of(chosen["figure"], chosen["profile"], chosen["contestants_file"], **lists))
    if verb == "evaluate":
        check_measured(chosen, of_experiment)
    of_experiment = of_experiment.only(lambda word: not word.about_hydra)
    if of_experiment or chosen.get("run"):  # else what is shipped is right
        config = config_of(chosen.get("run"), [*before, *of_experiment])
        if verb in ON_IMAGES:
            check_images(config)
    check_new(chosen, kinds_of(verb))
    return words


def _known_words(verb: str, words: Words) -> Words:
    """The words. Raises InputError where one is neither an option of the verb nor, of an experiment, one that conf/train.yaml knows."""
    known, top = defaults(verb), {*groups(), *defaults("train")}
    of_experiment = words.only(lambda word: word.key not in known and not word.about_hydra)
    if takes_words(verb):
        for word in of_experiment.parsed:
            if "." not in word.key and word.key not in top:
                raise unknown(word.key, [*known, *top])
        if of_experiment and not {"run", "figure"} & {word.key for word in words.parsed}:
            compose(of_experiment)
    return words


def check_images(config: dict[str, Any]) -> None:
    """Raises InputError where the configuration names a file of images that is not there."""
    data = config.get("data")
    file = data.get("file") if isinstance(data, dict) else None
    if file == "???":
        raise InputError("data.file is missing: say data.file=FILE, where the images are")
    if isinstance(file, str) and not Path(file).exists():
        raise InputError(f"data.file={file}: no such file or folder; expected where the images are")


def check_measured(chosen: dict[str, Any], words: Words) -> None:
    """Raises InputError where it is not clear what ctrecon evaluate is to measure, or the results would go to another's folder."""
    said = [f"{key}={chosen[key]}" for key in MEASURED if chosen[key] is not None]
    if len(said) != 1:
        expected = ", ".join(f"{key}={what}" for key, what in MEASURED.items())
        raise InputError(f"{' '.join(said) or 'nothing to measure'}: expected one of {expected}; see ctrecon evaluate --help")
    if chosen["run"] is not None:
        return
    if chosen["images"] is not None and chosen["averaged"]:
        raise InputError(
            "averaged=true images=: a mean over turns needs a model; expected run=DIR or guest=package.module:function"
        )
    for word in words.parsed:
        if word.key.split(".")[0] == "model":
            raise InputError(f"{said[0]} {word.text}: both reconstruct; expected one of the two: leave out one")
    if chosen["out"] is None:
        raise InputError(f"{said[0]}: out= is missing: say out=DIR, a folder for the results")
    if (Path(chosen["out"]) / CONFIG).is_file():
        raise InputError(f"out={chosen['out']}: is the folder of a run, whose results would be lost; expected another one")


def check_training(words: Words) -> None:
    """As `check`, for the words of a training; of a sweep, the first one."""
    check_images(compose(words))
