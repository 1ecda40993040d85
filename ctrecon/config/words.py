"""Words of the command line -> a configuration. With dispatch.py the only file that knows Hydra.

A word is GROUP=MEMBER or KEY=VALUE. Every word is checked before anything is composed, so that what is wrong is told in one line.
"""

import difflib
import re
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrecon.errors import InputError

_HERE = Path(__file__).parents[1]
CONF = next(folder for folder in (_HERE / "conf", _HERE.parent / "conf") if folder.is_dir())  # a wheel's, a checkout's
NOT_THE_RUN = (
    "hydra",
    "swept",
    "run_dir",
    "device",
    "devices",
    "nodes",
    "workers",
    "compile",
    "tensorboard",
    "name",
)  # where and how, not what: a run is the same without
NO_GROUPS = ("figure", "profile")  # folders of options of ctrecon reproduce
FREE = ("geometry.views",)  # a number by default that may also be a list or a slice


def groups() -> dict[str, list[str]]:
    """The conf groups and their members."""
    folders = sorted(p for p in CONF.iterdir() if p.is_dir() and p.name not in NO_GROUPS)
    return {folder.name: sorted(p.stem for p in folder.glob("*.yaml")) for folder in folders}


def compose(words: list[str]) -> DictConfig:
    """The configuration of an experiment: conf/train.yaml with words such as conv=c4 or fit.steps=10.

    Raises:
        InputError: A word does not parse, or names an unknown key, an unknown member or a value of another kind.
    """
    check(words)
    return composed(words)


def check(words: list[str]) -> None:
    """Check words, sweeps such as conv=plain,c4 included. Raises InputError as `compose` does."""
    overrides = parse(words)
    _check_members(overrides)
    known = groups()
    chosen = [f"{o.key_or_group}={_values(o)[0]}" for o in overrides if o.key_or_group in known and _values(o)[0] is not None]
    _check_keys(overrides, composed(chosen))


def composed(words: list[str], return_hydra_config: bool = False) -> DictConfig:
    """As `compose`, of words that are checked already; with the configuration of Hydra itself where that is wanted."""
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra.compose("train", words, return_hydra_config=return_hydra_config)
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
    for override in overrides:
        if override.key_or_group in groups():
            changed[override.key_or_group] = OmegaConf.load(CONF / override.key_or_group / f"{override.value()}.yaml")
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
        if key in groups() or re.split(r"[./]", key)[0] == "hydra" or override.is_delete():
            continue
        node, name = config, key
        *path, name = key.split(".")
        for part in path:
            node = node.get(part) if isinstance(node, DictConfig) and part in node.keys() else None
        if not isinstance(node, DictConfig) or name not in node.keys():
            raise InputError(_unknown(key, _keys(config)))
        default = None if OmegaConf.is_missing(node, name) else node[name]
        for value in _values(override):
            if key not in FREE and not _fits(value, default):
                raise InputError(f"{key}={value}: expected {_kind(default)}, such as {default}")


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of the default; none says nothing about the kind."""
    if value is None or default is None:
        return True
    number, numeric = (isinstance(v, int | float) and not isinstance(v, bool) for v in (value, default))
    return number == numeric and isinstance(value, int) >= isinstance(default, int)


def _kind(default: Any) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    return kinds.get(type(default), "a list" if OmegaConf.is_list(default) else "a value of that kind")


def _values(override: Override) -> list[Any]:
    return list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]


def _unknown(key: str, known: list[str]) -> str:
    """What to say of a key that does not exist: the nearest ones, all where they are few, or where to look."""
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.5) or [k for k in known if k.split(".")[-1] == key.split(".")[-1]]
    if close:
        return f"{key}: no such option; did you mean {' or '.join(close)}?"
    if len(known) < 12:
        return f"{key}: no such option; expected one of {', '.join(known)}"
    return f"{key}: no such option; ctrecon VERB --help lists them"


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
