"""A node of a configuration -> an object.

A run folder's configuration travels, and instantiating it is running code: what a group such as `geometry` may name is a class of that
noun (a subclass of `Geometry`), or a function that returns one, defined in the noun's own room; nothing else is ever called.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

from ctrecon.config.kind import fits, hints, in_words
from ctrecon.config.source import annotations, descends
from ctrecon.config.training import Images, Training
from ctrecon.errors import InputError

NOUNS = {  # of each group, by the path of its class: imported when asked for
    "geometry": "physics.geometry.Geometry",
    "projector": "physics.projector.Projector",
    "scans": "physics.scans.Scans",
    "noise": "physics.noise.Noise",
    "data_term": "physics.data_term.DataTerm",
    "data": "data.collection.Collection",
    "augment": "data.augment.Augment",
    "conv": "conv.family.ConvFamily",
    "activation": "conv.activation.Activation",
    "normalisation": "conv.activation.Activation",
    "field": "ode.field.VectorField",
    "integrator": "ode.integrator.Integrator",
    "block": "ode.block.Block",
    "strip": "conv.family.ConvFamily",
    "network": "models.network.Network",
    "cell": "models.cell.Cell",
    "initialisation": "models.initialisation.Initialisation",
    "start": "models.model.Model",
    "model": "models.model.Model",
    "objective": "objective.objective.Objective",
    "fit": "fitting.fit.Fit",
    "optimizer": "optimizer.Optimizer",
}
MAKERS = {  # what is made of these is a function that makes them, of further parts
    "projector": ("geometry",),
    "field": ("family",),
    "block": ("field",),
    "strip": ("image", "domain"),
    "network": ("family", "block", "inputs", "outputs"),
    "cell": ("family", "block", "memory"),
    "optimizer": ("model", "lr"),
}
MARKS = ("_target_", "_partial_")


def make(group: str, node: dict[str, Any], **parts: Any) -> Any:
    """The object of a configuration node, given those parts that its signature names.

    Args:
        group: Which noun it is, such as geometry; of MAKERS, what makes the object is returned.
        node: Its options, with the class as `_target_`.
        parts: Objects that it may be made of.

    Raises:
        InputError: The target is no such noun, or an option is unknown, missing, or of another kind.
    """
    maker, later = target(group, node), MAKERS.get(group, ())
    if node.get("_partial_", False) is not bool(later):
        raise InputError(f"{group}._partial_={node.get('_partial_')}: expected {str(bool(later)).lower()}")
    signature = inspect.signature(maker)
    values = {key: value for key, value in node.items() if key not in MARKS}
    check_kinds(group, values, hints(maker))
    known = [name for name in signature.parameters if name not in (*parts, *later)]
    parts = {name: part for name, part in parts.items() if name in signature.parameters}
    try:
        signature.bind(**dict.fromkeys(later), **parts, **values)
    except TypeError as error:  # an option too many or too few
        raise InputError(f"{group}: {maker.__name__}: {error}; expected options among {', '.join(known) or 'none'}") from None
    return partial(maker, **parts, **values) if later else maker(**parts, **values)


def kinds(group: str, node: dict[str, Any]) -> dict[str, Any]:
    """The annotation of each option of a node; those of no group where the group is none."""
    if not group:
        return hints(Training)
    path = _path(group, node)
    try:
        if group != "optimizer" and not descends(path, f"ctrecon.{NOUNS[group]}"):  # whose noun is torch's
            raise _refused(group, path)
        found = annotations(path)
    except LookupError:  # a module that has no source, or no such class
        found = hints(target(group, node))
    return found | (hints(Images) if group == "data" else {})


def check_kinds(group: str, values: dict[str, Any], annotations: dict[str, Any]) -> None:
    """Raises InputError where a value is missing or not what its annotation says."""
    for key, value in values.items():
        name = f"{group}.{key}" if group else key
        if key not in annotations:
            continue
        if value == "???":
            raise InputError(f"{name} is missing: say {name}=VALUE")
        if not fits(value, annotations[key]):
            raise InputError(f"{name}={str(value)[:80]}: expected {in_words(annotations[key])}")


def target(group: str, node: dict[str, Any]) -> Callable[..., Any]:
    """The class or function that a node names. Raises InputError where it is not of the group's noun."""
    path = _path(group, node)
    refused, (module, _, name) = _refused(group, path), path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise refused from None
    made = found if inspect.isclass(found) else get_type_hints(found).get("return") if inspect.isfunction(found) else None
    if not inspect.isclass(made) or not issubclass(made, _noun(group)) or found.__module__ != module or inspect.isabstract(found):
        raise refused
    return found


def _path(group: str, node: dict[str, Any]) -> str:
    """What a node names. Raises InputError where that is not in the room of the group's noun."""
    path = str(node.get("_target_", "")) if isinstance(node, dict) else ""
    room = ["ctrecon", NOUNS[group].split(".")[0]]
    parts = path.split(".")
    if len(parts) < 4 or parts[:2] != room or not all(re.fullmatch("[a-zA-Z]\\w*", part) for part in parts):
        raise _refused(group, path)
    return path


def _refused(group: str, path: str) -> InputError:
    room, *_, noun = NOUNS[group].split(".")
    return InputError(f"{group}._target_: {path[:80] or 'none'}: expected a {noun} of ctrecon.{room}, in this version of ctrecon")


def _noun(group: str) -> type:
    if group == "optimizer":  # torch's own class
        return importlib.import_module("torch.optim").Optimizer
    module, _, name = NOUNS[group].rpartition(".")
    return getattr(importlib.import_module(f"ctrecon.{module}"), name)
