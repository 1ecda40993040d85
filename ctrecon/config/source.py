"""The annotations of a class or function, read from its source: importing it would load torch, which takes seconds.

Nothing of the source runs but the annotations, in a namespace that holds kinds of values and nothing else: whatever else an annotation
names, such as `RayTransform`, becomes an empty class of that name, which no value from a command line or a file is an instance of.
"""

import ast
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from ctrecon.config.kind import Count, Device, Positive, Range, Seed
from ctrecon.config.place import DrawingOut, File, Folders, GuestName, ImageOut, RunFolder, RunName, SinogramOut

_KINDS = {kind.__name__: kind for kind in (bool, dict, float, int, list, str, tuple, Range, Sequence)}
_KINDS |= {"Annotated": Annotated, "Any": Any, "Literal": Literal}
_KINDS |= {"Count": Count, "Device": Device, "Positive": Positive, "Seed": Seed, "RunFolder": RunFolder, "RunName": RunName}
_KINDS |= {
    "File": File,
    "Folders": Folders,
    "GuestName": GuestName,
    "ImageOut": ImageOut,
    "SinogramOut": SinogramOut,
    "DrawingOut": DrawingOut,
}


def annotations(path: str) -> dict[str, Any]:
    """The annotation of each argument of a class or function, given its dotted path.

    Raises:
        LookupError: There is no source of it, or nothing of that name in it.
    """
    module, _, name = path.rpartition(".")
    names = _names(module)
    found = names.get(name)
    if isinstance(found, str):
        return annotations(found)
    if isinstance(found, ast.FunctionDef):
        return _arguments(found)
    if not isinstance(found, ast.ClassDef):
        raise LookupError(path)
    made = next((part for part in found.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if made:
        return _arguments(made)
    inherited = [annotations(where) for base in found.bases if (where := _place(base, module, names))]
    fields = _fields(found) if any("dataclass" in ast.unparse(mark) for mark in found.decorator_list) else {}
    return {name: hint for one in reversed(inherited) for name, hint in one.items()} | fields


def descends(path: str, noun: str) -> bool:
    """Whether a class is, or comes from, another one of the package, or a function says that it returns such a one.

    Raises:
        LookupError: As `annotations`.
    """
    if path == noun:
        return True
    module, _, name = path.rpartition(".")
    names = _names(module)
    found = names.get(name)
    if isinstance(found, str):
        return descends(found, noun)
    if found is None:
        raise LookupError(path)
    above = found.bases if isinstance(found, ast.ClassDef) else [found.returns] if found.returns else []
    return any(descends(where, noun) for base in above if (where := _place(base, module, names)))


@lru_cache
def _names(module: str) -> dict[str, ast.stmt | str]:
    """What a module of the package defines, and the paths of what it imports from others."""
    try:
        source = find_spec(module).loader.get_source(module)
    except (ImportError, AttributeError, ValueError):
        raise LookupError(module) from None
    names = {}
    for node in ast.parse(source or "").body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names[node.name] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ctrecon."):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _place(base: ast.expr, module: str, names: dict[str, ast.stmt | str]) -> str | None:
    """The path of a base class; None where it is not of the package."""
    name = ast.unparse(base)
    return None if name not in names else names[name] if isinstance(names[name], str) else f"{module}.{name}"


def _arguments(function: ast.FunctionDef) -> dict[str, Any]:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {one.arg: _hint(one.annotation) for one in arguments if one.annotation}


def _fields(dataclass: ast.ClassDef) -> dict[str, Any]:
    annotated = [part for part in dataclass.body if isinstance(part, ast.AnnAssign)]
    given = [part for part in annotated if not ast.unparse(part.annotation).startswith("ClassVar") and not _found_later(part.value)]
    return {ast.unparse(part.target): _hint(part.annotation) for part in given}


def _found_later(default: ast.expr | None) -> bool:
    """Whether it is a field(init=False, ...)."""
    return isinstance(default, ast.Call) and any(
        word.arg == "init" and isinstance(word.value, ast.Constant) and word.value.value is False for word in default.keywords
    )


class _Names(dict):
    def __missing__(self, name: str) -> type:
        return type(name, (), {})


def _hint(annotation: ast.expr) -> Any:
    text = ast.unparse(annotation)
    try:
        return eval(text, {"__builtins__": {}}, _Names(_KINDS))
    except (AttributeError, TypeError):  # such as np.ndarray, or Float[...]
        return type(text, (), {})
