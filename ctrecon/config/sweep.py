"""Words of a sweep -> the configuration of each job, with the name of its run."""

import itertools
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from ctrecon.config.words import composed, parse, plain
from ctrecon.errors import InputError

LAUNCHERS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}  # the extra of each


def swept_keys(words: list[str]) -> list[str]:
    """The keys that are given several values, as -m sweeps over."""
    return [override.key_or_group for override in parse(words) if override.is_sweep_override()]


def jobs(words: list[str]) -> list[list[str]]:
    """The words of each job of a sweep, in the order of Hydra's basic sweeper: the last key varies fastest."""
    choices = [
        [f"{o.key_or_group}={value}" for value in o.sweep_string_iterator()] if o.is_sweep_override() else [word]
        for word, o in zip(words, parse(words), strict=True)
    ]
    return [list(job) for job in itertools.product(*choices)]


def job(words: list[str]) -> dict[str, Any]:
    """The configuration of a training, with its name."""
    config = composed(words, return_hydra_config=True)
    choices = config.hydra.runtime.choices
    with open_dict(config):
        del config["hydra"]
    return named(config, choices)


def named(config: DictConfig, choices: Mapping[str, str | None]) -> dict[str, Any]:
    """The plain values of a training; without a name=, named after what varies in the sweep, else after what tells models apart.

    Args:
        config: As composed.
        choices: The member of each group.
    """
    varied = [key for key in config.swept if key not in ("seed", "name")]
    told = [choices[key] if key in choices else f"{key.split('.')[-1]}{OmegaConf.select(config, key)}" for key in varied]
    kind = choices["conv"] if choices["model"] == "unrolled" else choices["model"]
    return plain(config) | {"name": "-".join(filter(None, [config.name, *told])) or kind}


def about_hydra(words: list[str]) -> tuple[list[str], list[str]]:
    """The words that say where jobs run, and those that say what they are."""
    hydra = [
        word
        for word, override in zip(words, parse(words), strict=True)
        if override.key_or_group.split("/")[0].split(".")[0] == "hydra"
    ]
    return hydra, [word for word in words if word not in hydra]


def check_launcher(words: list[str]) -> None:
    """Raises InputError where a launcher is asked for that is not there."""
    for override in parse(words):
        name = str(override.value())
        if override.key_or_group != "hydra/launcher" or name == "basic":
            continue
        if name not in LAUNCHERS:
            raise InputError(f"hydra/launcher={name}: expected one of basic, {', '.join(LAUNCHERS)}")
        extra = LAUNCHERS[name]
        if find_spec("hydra_plugins") is None or find_spec(f"hydra_plugins.hydra_{extra}_launcher") is None:
            raise InputError(f'hydra/launcher={name}: is not installed; pip install "learned-ctrecon[{extra}]"')
