"""Configuration -> objects. With cli.py the only file that knows Hydra.

A run folder's configuration travels, and instantiating it is running code: only classes and functions that are defined in this
package's own rooms are ever called.
"""

import difflib
import importlib
import inspect
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrecon.errors import InputError

_HERE = Path(__file__).parent
CONF = next(folder for folder in (_HERE / "conf", _HERE.parent / "conf") if folder.is_dir())  # a wheel's, a checkout's
ROOMS = ("physics", "conv", "ode", "data", "models", "train")  # where targets may be defined
NOT_THE_RUN = ("hydra", "swept", "run_dir", "device", "name")  # where and how, not what: a run is the same without
MARKS = ("_target_", "_partial_")
FREE = ("geometry.views",)  # a number by default that may also be a list or a slice


def groups() -> dict[str, list[str]]:
    """The conf groups and their members."""
    folders = sorted(p for p in CONF.iterdir() if p.is_dir())
    return {folder.name: sorted(p.stem for p in folder.glob("*.yaml")) for folder in folders}


def compose(words: list[str]) -> DictConfig:
    """The configuration of an experiment: conf/train.yaml with words such as conv=c4 or fit.steps=10.

    Raises:
        InputError: A word does not parse, or names an unknown key, an unknown member or a value of another kind.
    """
    check(words)
    return _compose(words)


def check(words: list[str]) -> None:
    """Check words, sweeps such as conv=plain,c4 included. Raises InputError as `compose` does."""
    overrides = parse(words)
    _check_members(overrides)
    known = groups()
    chosen = [f"{o.key_or_group}={_values(o)[0]}" for o in overrides if o.key_or_group in known and _values(o)[0] is not None]
    _check_keys(overrides, _compose(chosen))


def swept_keys(words: list[str]) -> list[str]:
    """The keys that are given several values, as -m sweeps over."""
    return [override.key_or_group for override in parse(words) if override.is_sweep_override()]


def _compose(words: list[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra.compose("train", words)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from None


def parse(words: list[str]) -> list[Override]:
    """Words of the command line. Raises InputError where one is not KEY=VALUE."""
    try:
        return OverridesParser.create().parse_overrides(words)
    except HydraException as error:
        raise InputError(f"{one_line(error)}; expected KEY=VALUE, quoted where the value has spaces or brackets") from None


def options(verb: str, words: list[str]) -> tuple[DictConfig, list[str]]:
    """The options of a verb (conf/VERB.yaml), and the words that are not about them but about the experiment.

    Raises:
        InputError: An option is missing, or has a value of another kind.
    """
    chosen = OmegaConf.load(CONF / f"{verb}.yaml")
    rest = []
    for word, override in zip(words, parse(words), strict=True):
        if override.key_or_group in chosen.keys():
            _check_keys([override], chosen)
            chosen[override.key_or_group] = override.value()
        else:
            rest.append(word)
    for key in OmegaConf.missing_keys(chosen):
        raise InputError(f"ctrecon {verb}: {key}= is missing; see ctrecon {verb} --help")
    return chosen, rest


def no_words(verb: str, words: list[str]) -> None:
    """Raises InputError for words of a verb that takes only its own options."""
    for override in parse(words):
        raise InputError(_unknown(override.key_or_group, list(OmegaConf.load(CONF / f"{verb}.yaml"))))


def amend(config: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """The configuration of a run, changed by words: GROUP=MEMBER replaces a group, KEY=VALUE a value.

    Raises:
        InputError: As for `compose`.
    """
    overrides = parse(words)
    _check_members(overrides)
    changed = OmegaConf.create(config)
    for word, override in zip(words, overrides, strict=True):
        if override.key_or_group in groups():
            changed[override.key_or_group] = plain(_compose([word]))[override.key_or_group]
    _check_keys(overrides, changed)
    for override in overrides:
        if override.key_or_group not in groups():
            OmegaConf.update(changed, override.key_or_group, override.value())
    return plain(changed)


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain values; missing ones stay "???" until they are needed."""
    return OmegaConf.to_container(config, resolve=True)


def what_it_is(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that makes a run what it is: this goes into config.yaml.

    Raises:
        InputError: A value is missing.
    """
    kept = {key: value for key, value in config.items() if key not in NOT_THE_RUN}
    for key in OmegaConf.missing_keys(OmegaConf.create(kept)):
        raise InputError(f"{key} is missing: say {key}=VALUE")
    return kept


def _check_members(overrides: list[Override]) -> None:
    known = groups()
    for override in overrides:
        group = override.key_or_group
        for member in _values(override) if group in known else ():
            if member is not None and str(member) not in known[group]:
                raise InputError(f"{group}={member}: expected one of {', '.join(known[group])}")


def _check_keys(overrides: list[Override], config: DictConfig) -> None:
    for override in overrides:
        key = override.key_or_group
        if key in groups() or key.split(".")[0] == "hydra" or override.is_delete():
            continue
        node, name = config, key
        *path, name = key.split(".")
        for part in path:
            node = node.get(part) if isinstance(node, DictConfig) and part in node.keys() else None
        if not isinstance(node, DictConfig) or name not in node.keys():
            raise InputError(_unknown(key, _keys(config)))
        default = None if OmegaConf.is_missing(node, name) else node[name]
        for value in _values(override):
            number, numeric = (isinstance(v, int | float) and not isinstance(v, bool) for v in (value, default))
            if (
                key not in FREE
                and value is not None
                and default is not None
                and (numeric != number or isinstance(default, int) > isinstance(value, int))
            ):
                raise InputError(f"{key}={value}: expected {_kind(default)}, such as {default}")


def _kind(default: Any) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    return kinds.get(type(default), "a list" if OmegaConf.is_list(default) else "a value of that kind")


def _values(override: Override) -> list[Any]:
    return list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.5) or [k for k in known if k.split(".")[-1] == key.split(".")[-1]]
    return (
        f"{key}: no such option; expected one of {', '.join(known)}"
        if len(known) < 12 and not close
        else (
            f"{key}: no such option; did you mean {' or '.join(close)}?"
            if close
            else f"{key}: no such option; ctrecon VERB --help lists them"
        )
    )


def _keys(config: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for key in config:
        if key == "hydra" or key.startswith("_"):
            continue
        found.append(prefix + key)
        if isinstance(config._get_node(key), DictConfig):
            found += _keys(config._get_node(key), f"{prefix}{key}.")
    return found


def one_line(error: BaseException) -> str:
    """The first line of a library's error."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def make(node: dict[str, Any], **parts: Any) -> Any:
    """The object of a configuration node with a `_target_`, given those parts that its signature names.

    Raises:
        InputError: The target is not this package's own, or the values do not fit.
    """
    target = _target(node)
    signature = inspect.signature(target)
    values = {key: value for key, value in node.items() if key not in MARKS}
    values |= {name: part for name, part in parts.items() if name in signature.parameters}
    if node.get("_partial_"):
        return partial(target, **values)
    try:
        signature.bind(**values)
    except TypeError as error:
        raise InputError(f"{target.__name__}: {error}; check its options") from None
    return target(**values)


def _target(node: dict[str, Any]) -> Any:
    """The class or function of a node, if it is defined in one of our rooms (not merely reachable through one)."""
    path = str(node.get("_target_", "")) if isinstance(node, dict) else ""
    module, _, name = path.rpartition(".")
    if module.split(".")[:1] != ["ctrecon"] or module.split(".")[1:2] not in [[room] for room in ROOMS]:
        raise InputError(f"_target_: {path or 'none'}: expected a class in one of ctrecon's {', '.join(ROOMS)}")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(f"_target_: {path}: no such class in this version of ctrecon") from None
    if getattr(target, "__module__", None) != module or not callable(target):
        raise InputError(f"_target_: {path}: expected a class or function defined in {module}")
    return target


class Experiment:
    """The objects of one configuration, each made when first asked for.

    Args:
        config: Plain values, as `compose` or a run folder's config.yaml gives them.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        for name in ("geometry", "model", "noise", "data"):
            if not isinstance(config.get(name), dict):
                raise InputError(f"the configuration has no {name}: expected that of an experiment, as ctrecon train writes")

    @cached_property
    def geometry(self):
        """The scan."""
        return make(self.config["geometry"])

    @cached_property
    def noise(self):
        """The measurement noise."""
        return make(self.config["noise"])

    @cached_property
    def fit(self):
        """How the model is fitted."""
        return make(self.config["fit"])

    @cached_property
    def scanner(self):
        """Simulates pairs of truth and sinogram."""
        from ctrecon.data.scanner import Scanner

        return Scanner(self.geometry, self.noise, self.config["data"]["seed"])

    @cached_property
    def collection(self):
        """The images."""
        what_it_is({"data": self.config["data"]})
        return make(self.config["data"])

    def pairs(self, split: str):
        """The pairs of a split."""
        from ctrecon.data.pairs import Pairs

        return Pairs(self.collection, split, self.scanner)

    def model(self):
        """The model with freshly drawn parameters, a function of the configuration and its seed alone."""
        target = _target(self.config["model"])
        wanted = inspect.signature(target).parameters
        import torch

        torch.manual_seed(self.config["seed"])
        parts = {name: part() for name, part in self._parts().items() if name in wanted}
        return make(self.config["model"], **parts)

    def _parts(self) -> dict[str, Any]:
        config = self.config
        return {
            "geometry": lambda: self.geometry,
            "term": lambda: make(config["data_term"], ray=self.ray),
            "start": lambda: make(config["start"], geometry=self.geometry),
            "family": lambda: make(config["conv"]),
            "field": lambda: make(config["field"]),
            "block": lambda: make(config["block"], integrator=make(config["integrator"])),
            "initialisation": lambda: make(config["initialisation"]),
        }

    @cached_property
    def ray(self):
        """The ray transform on the reconstruction's grid."""
        from ctrecon.physics.ray import RayTransform

        return RayTransform(self.geometry)


def read_geometry(where: Path, text: str) -> dict[str, Any]:
    """The configuration of a geometry from YAML text. Raises InputError where it is none."""
    try:
        node = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where}: not readable YAML ({one_line(error)})") from None
    if not isinstance(node, dict) or not str(node.get("_target_")).startswith("ctrecon.physics.geometry."):
        raise InputError(
            f"{where}: no geometry in the form of conf/geometry; expected one, with its _target_, or another file name"
        )
    make(node)
    return node
