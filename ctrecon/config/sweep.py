"""Words of a sweep -> the configuration of each training, with the name of its run."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from ctrecon.config.compose import composed, says_field_of_view
from ctrecon.config.conf import defaults
from ctrecon.config.make import target
from ctrecon.config.words import Words
from ctrecon.errors import InputError
from ctrecon.models.fitting import Fitting

LAUNCHERS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}  # the extra of each


def training(words: Iterable[str]) -> dict[str, Any]:
    """The configuration of a training; without a name=, named after what varies in its sweep, else after what tells models apart.

    Of what is not part of the run, `fov_said` tells whether words said the field of view.
    """
    words = Words(words)
    values, choices = composed(words)
    varied = [key for key in values["swept"] if key not in ("seed", "name")]
    said = [choices[key] if key in choices else f"{key.split('.')[-1]}{_value(values, key)}" for key in varied]
    name = "-".join(filter(None, [values["name"], *said])) or _kind(values["model"], choices)
    return values | {"name": name, "fov_said": says_field_of_view(words)}


def check_launcher(words: Words) -> None:
    """Raises InputError where a launcher is asked for that is not there."""
    for word in words.parsed:
        name = str(word.values[0])
        if word.key != "hydra/launcher" or name == "basic":
            continue
        if name not in LAUNCHERS:
            raise InputError(f"hydra/launcher={name}: expected one of basic, {', '.join(LAUNCHERS)}")
        extra = LAUNCHERS[name]
        if find_spec("hydra_plugins") is None or find_spec(f"hydra_plugins.hydra_{extra}_launcher") is None:
            raise InputError(f'hydra/launcher={name}: is not installed; pip install "learned-ctrecon[{extra}]"')


def _kind(model: dict[str, Any], choices: dict[str, str | None]) -> str:
    """What tells models apart: what learns is called by its features, after its architecture where that is not the default one."""
    if target("model", model).fitting is not Fitting.WEIGHTS:
        return choices["model"]
    default = next(entry["model"] for entry in defaults("train")["defaults"] if "model" in entry)
    return choices["conv"] if choices["model"] == default else f"{choices['model']}-{choices['conv']}"


def _value(values: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            raise InputError(f"swept: {key}: no such option; expected keys such as conv or fit.lr")
        values = values[part]
    return values
