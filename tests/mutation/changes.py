"""The places of a module that can be changed, and the changes.

Operators are those of cosmic-ray (arithmetic, comparisons, numbers, true and false, and/or, not, decorators, loops, exceptions that are
caught) and three of our own, because most errors that a reviewer planted are of these kinds: two arguments swapped, a keyword argument
left out, a call whose result nobody takes left out.

Left out is what no test has to guard: annotations, texts (f-strings, docstrings) and what is inside `raise`, names of `__all__`,
decorators that save time or memory only, keywords such as zip's `strict` and those of a progress bar, `is None` against `== None`, bit operations in place of arithmetic (they raise on floats, and
would flatter the score), and whatever does not compile or compiles to the same.
"""

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator

# The operators of arithmetic that take the place of others.
ARITHMETIC = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}
SAME = {"Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot"}  # replacements that mean the same, or nearly
NO_RESULT = {"strict", "indent", "total", "desc", "unit", "disable"}  # keywords that check what holds, or change how it looks
NO_PROMISE = ("cache", "lru_cache", "no_grad", "inference_mode", "abstractmethod", "override")


@dataclass(frozen=True)
class Change:
    """A change of one place of a module.

    Attributes:
        path: The module, from the root of the checkout.
        operator: The name of the operator.
        occurrence: Which of the places where this operator applies, from 0.
        place: Line and column where it starts.
    """

    path: str
    operator: str
    occurrence: int
    place: tuple[int, int]

    def applied_to(self, source: str) -> str:
        """The changed source."""
        return mutate_code(source, OPERATORS[self.operator](), self.occurrence)


class SwapArguments(Operator):
    """Swap the first two positional arguments of a call."""

    def mutation_positions(self, node):
        if _arguments(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        first, second = _arguments(node)[:2]
        i, j = node.children.index(first), node.children.index(second)
        first_space, second_space = first.get_first_leaf().prefix, second.get_first_leaf().prefix
        first.get_first_leaf().prefix, second.get_first_leaf().prefix = second_space, first_space
        node.children[i], node.children[j] = second, first
        return node

    @classmethod
    def examples(cls):
        return ()


class DropKeyword(Operator):
    """Leave a keyword argument of a call out."""

    def mutation_positions(self, node):
        for argument in _keywords(node):
            yield argument.start_pos, argument.end_pos

    def mutate(self, node, index):
        argument = _keywords(node)[index]
        if node.type == "trailer":  # the only argument
            node.children.remove(argument)
            return node
        at = node.children.index(argument)
        del node.children[max(at - 1, 0) : max(at - 1, 0) + 2]  # with a comma
        return node

    @classmethod
    def examples(cls):
        return ()


class DropCall(Operator):
    """Leave a call out whose result nobody takes: the statement becomes `pass`."""

    def mutation_positions(self, node):
        if node.type in ("atom_expr", "power") and node.parent.type == "simple_stmt" and node.children[-1].type == "trailer":
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        leaf = node.get_first_leaf()
        return type(leaf)("pass", leaf.start_pos, prefix=leaf.prefix)

    @classmethod
    def examples(cls):
        return ()


def _arguments(node) -> list:
    """The positional arguments of a call with two or more of them."""
    if node.type != "arglist" or node.parent.type != "trailer":
        return []
    found = [a for a in node.children if a.type not in ("argument", "operator") and getattr(a, "value", "") not in ("*", "/")]
    return found if len(found) > 1 else []


def _keywords(node) -> list:
    """The keyword arguments of a call."""
    inside = node.children if node.type == "arglist" and node.parent.type == "trailer" else []
    if node.type == "trailer" and node.children[0].value == "(" and node.children[1].type == "argument":
        inside = [node.children[1]]
    named = (a for a in inside if a.type == "argument" and getattr(a.children[1], "value", "") == "=")
    return [a for a in named if a.children[0].value not in NO_RESULT]


def _wanted(name: str) -> bool:
    """Whether an operator of cosmic-ray is used."""
    kind, _, pair = name.partition("/")[2].partition("_")
    if kind == "ReplaceBinaryOperator":
        return set(pair.split("_")) in ({"BitOr", "BitAnd"}, *({one, two} for one in ARITHMETIC for two in ARITHMETIC - {one}))
    return pair not in SAME and not cosmic_ray.plugins.get_operator(name).arguments()


OPERATORS: dict[str, Callable[[], Operator]] = {
    name.partition("/")[2]: cosmic_ray.plugins.get_operator(name) for name in cosmic_ray.plugins.operator_names() if _wanted(name)
} | {own.__name__: own for own in (SwapArguments, DropKeyword, DropCall)}


def _guarded(node) -> bool:
    """Whether a test has to guard a node."""
    if node.type == "decorator":
        return not any(name in node.get_code() for name in NO_PROMISE)
    child, parent = node, node.parent
    while parent is not None:
        if parent.type in ("raise_stmt", "fstring", "tfpdef", "import_from", "import_name", "decorator"):
            return False
        if parent.type == "annassign" and child is parent.children[1]:
            return False
        if parent.type in ("funcdef", "param") and child is parent.annotation:
            return False
        if parent.type == "expr_stmt" and parent.get_code().lstrip().startswith("__all__"):
            return False
        child, parent = parent, parent.parent
    return True


def changes(path: str, source: str) -> Iterator[Change]:
    """All changes of a module, among them a few that do not count."""
    nodes = [(node, _guarded(node)) for node in ast_nodes(get_ast(source))]
    for name, operator in OPERATORS.items():
        places = ((guarded, start) for node, guarded in nodes for start, _ in operator().mutation_positions(node))
        for occurrence, (guarded, start) in enumerate(places):
            if guarded:
                yield Change(path, name, occurrence, start)


def counts(change: Change, source: str) -> bool:
    """Whether the changed source compiles, and to something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            changed = change.applied_to(source)
            compile(changed, change.path, "exec")
            return ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
        except (
            SyntaxError,
            AttributeError,
        ):  # the latter where cosmic-ray meets a dotted name among exceptions, such as except (A, b.C)
            return False
