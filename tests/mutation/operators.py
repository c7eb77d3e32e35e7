"""What may be wrong in a module: mutants of its syntax tree, one change in each.

Texts of messages, docstrings and annotations are left alone: what they say decides nothing.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.RShift: ast.LShift,
    ast.LShift: ast.RShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# Words for the user, wherever they stand.
_SENTENCE = re.compile(r"[\w',;:. -]* [\w',;:. -]*")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one thing wrong.

    Args:
        line: where.
        was: the code there.
        becomes: what stands there now.
        source: of the whole module.
        in_function: whether it is a function's body that differs, and nothing that importing the module makes.
    """

    line: int
    was: str
    becomes: str
    source: str
    in_function: bool


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(source)
    left_alone = _left_alone(tree)
    in_functions = _in_functions(tree)
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in left_alone:
            continue
        for replacement in _replacements(node):
            changed = copy.deepcopy(tree)
            place = next(each for number, each in enumerate(ast.walk(changed)) if number == index)
            mutated = _Replacing(place, replacement).visit(changed)
            text = ast.unparse(ast.fix_missing_locations(mutated))
            line = getattr(node, "lineno", 0)
            yield Mutant(line, _one_line(node), _one_line(replacement), text, id(node) in in_functions)


class _Replacing(ast.NodeTransformer):
    def __init__(self, place: ast.AST, replacement: ast.AST) -> None:
        self._place, self._replacement = place, replacement

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._place:
            return self._replacement
        return self.generic_visit(node)


def _in_functions(tree: ast.AST) -> set[int]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {id(inner) for function in functions for statement in function.body for inner in ast.walk(statement)}


def _left_alone(tree: ast.AST) -> set[int]:
    """Return what decides nothing: annotations, decorators, docstrings, messages and what only type checkers read."""
    roots = [root for node in ast.walk(tree) for root in _deciding_nothing(node) if root is not None]
    return {id(inner) for root in roots for inner in ast.walk(root)}


def _deciding_nothing(node: ast.AST) -> list[ast.AST | None]:
    match node:
        case ast.arg() | ast.AnnAssign():
            return [node.annotation]
        case ast.FunctionDef():
            return [node.returns, *node.decorator_list]
        case ast.ClassDef():
            return [*node.decorator_list]
        case ast.Raise(exc=ast.Call(args=arguments)):
            return [each for each in arguments if _is_text(each)]
        case (
            ast.Expr(value=ast.Constant())
            | ast.JoinedStr()
            | ast.Import()
            | ast.ImportFrom()
            | ast.keyword(arg="what" | "context" | "hint")
            | ast.If(test=ast.Name(id="TYPE_CHECKING"))
            | ast.Assign(targets=[ast.Name(id="__all__" | "_WHAT")])
            | ast.Expr(value=ast.Call(func=ast.Name(id="assert_never")))
            | ast.Call(func=ast.Name(id="TypeVar"))
        ):
            return [node]
        case _:
            return []


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.expr():
            yield from _expressions(node)
        case ast.Return(value=ast.expr() as value) if not (_is_constant(value, None) or _is_constant(value, False)):
            yield ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.If() | ast.While():
            yield from _decided(node)
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)


def _expressions(node: ast.expr) -> Iterator[ast.AST]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for place in range(len(node.values)):
                rest = node.values[:place] + node.values[place + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp() if type(node.op) in _ARITHMETIC and not _is_text(node.left):
            yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        case ast.Constant():
            yield from (ast.Constant(value) for value in _other_constants(node.value))
        case ast.IfExp():
            yield from _decided(node)


def _compared(node: ast.Compare) -> Iterator[ast.AST]:
    for place, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            yield ast.Compare(node.left, [*node.ops[:place], other(), *node.ops[place + 1 :]], node.comparators)


def _decided(node: ast.If | ast.While | ast.IfExp) -> Iterator[ast.AST]:
    """Decide a condition beforehand; a loop that never ends tells nothing that its condition's mutants do not."""
    for value in (False,) if isinstance(node, ast.While) else (True, False):
        changed = copy.copy(node)
        changed.test = ast.Constant(value)
        yield changed


def _other_constants(value: object) -> tuple[int | str | bytes, ...]:
    match value:
        case bool():
            return (not value,)
        case int():
            return (value + 1, value - 1)
        case str() if not _SENTENCE.fullmatch(value):
            return (f"{value}x",)
        case bytes():
            return (value + b"x",)
        case _:
            return ()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_constant(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _one_line(node: ast.AST) -> str:
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return text if len(text) <= 90 else f"{text[:87]}..."
