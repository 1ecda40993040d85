"""A node of a configuration -> an object.

A run folder's configuration travels, and instantiating it is running code: what a group such as `geometry` may name is a class of that
noun (a subclass of `Geometry`), or a function that returns one, defined in the noun's own room; nothing else is ever called.
"""

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, get_args, get_type_hints

from beartype import BeartypeConf
from beartype.door import is_bearable

from ctrecon.errors import InputError

NOUNS = {  # of each group, by the path of its class: imported when asked for
    "geometry": "physics.geometry.Geometry",
    "projector": "physics.projector.Projector",
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
    "cell": "models.cell.Cell",
    "initialisation": "models.initialisation.Initialisation",
    "start": "models.model.Model",
    "model": "models.model.Model",
    "fit": "fitting.fit.Fit",
    "optimizer": "optimizer.Optimizer",
}
MARKS = ("_target_", "_partial_")
KINDS = BeartypeConf(is_pep484_tower=True)  # a whole number is a number


def make(group: str, node: dict[str, Any], **parts: Any) -> Any:
    """The object of a configuration node, given those parts that its signature names.

    Args:
        group: Which noun it is, such as geometry.
        node: Its options, with the class as `_target_`; with `_partial_`, what makes the object is returned instead.
        parts: Objects that it may be made of.

    Raises:
        InputError: The target is no such noun, or an option is unknown, missing, or of another kind.
    """
    maker = target(group, node)
    signature, hints = inspect.signature(maker), _hints(maker)
    values = {key: value for key, value in node.items() if key not in MARKS}
    for key, value in values.items():
        if key in hints and not _fits(value, hints[key]):
            raise InputError(f"{group}.{key}={value}: expected {_called(hints[key])}")
    values |= {name: part for name, part in parts.items() if name in signature.parameters}
    bind = signature.bind_partial if node.get("_partial_") else signature.bind
    try:
        bind(**values)
    except TypeError as error:  # an option too many or too few
        known = ", ".join(name for name in signature.parameters if name not in parts)
        raise InputError(f"{group}: {maker.__name__}: {error}; expected options among {known or 'none'}") from None
    return partial(maker, **values) if node.get("_partial_") else maker(**values)


def target(group: str, node: dict[str, Any]) -> Callable[..., Any]:
    """The class or function that a node names. Raises InputError where it is not of the group's noun."""
    path = str(node.get("_target_", "")) if isinstance(node, dict) else ""
    room, *_, noun = NOUNS[group].split(".")
    expected = f"expected a {noun} of ctrecon.{room}"
    module, _, name = path.rpartition(".")
    if module.split(".")[:2] != ["ctrecon", room]:
        raise InputError(f"{group}._target_: {path or 'none'}: {expected}")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(f"{group}._target_: {path}: no such class in this version of ctrecon; {expected}") from None
    made = found if inspect.isclass(found) else _hints(found).get("return") if inspect.isfunction(found) else None
    if getattr(found, "__module__", None) != module or not inspect.isclass(made) or not issubclass(made, _noun(group)):
        raise InputError(f"{group}._target_: {path}: {expected}")
    return found


def _noun(group: str) -> type:
    if group == "optimizer":  # torch's own class
        return importlib.import_module("torch.optim").Optimizer
    module, _, name = NOUNS[group].rpartition(".")
    return getattr(importlib.import_module(f"ctrecon.{module}"), name)


def _hints(maker: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(maker.__init__ if inspect.isclass(maker) else maker)


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(value, bool):  # which Python takes for a whole number
        return bool in (hint, *get_args(hint))
    if isinstance(value, list) and value:  # of which beartype tries only one element
        return all(not isinstance(one, bool) and is_bearable([one], hint, conf=KINDS) for one in value)
    return is_bearable(value, hint, conf=KINDS)


def _called(hint: Any) -> str:
    """A type in words.

    Example:
        >>> _called(int | None), _called(float)
        ('int or None', 'float')
    """
    return (
        " or ".join(_called(part) for part in get_args(hint))
        if get_args(hint)
        else getattr(hint, "__name__", str(hint)).replace("NoneType", "None")
    )
