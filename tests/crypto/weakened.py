"""Verifiers with exactly one check removed, to show that an attack succeeds there and that its test bites.

Nothing here verifies anything itself: a check is cut out of the real function's source, the rest is compiled as it
stands and runs in its place, for everybody who imported it, until the context ends. A check that is not there (any
more) is an error of the test.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any
from unittest.mock import patch

from gmpy2 import mpz

from fedtrust.crypto.transcript import Transcript

Edit = Callable[[ast.AST], ast.AST | None]
"""Returns a node to put in the place of the one given, None to leave it."""


_edits: dict[FunctionType, list[tuple[Edit, str]]] = {}
"""What is removed at the moment: several checks of one function can be."""


class NoSuchCheckError(Exception):
    """The check to remove is not in the function, or is not the only one of its kind."""


@contextmanager
def without_check(function: Callable[..., Any], message: str, *, operand: str | None = None) -> Iterator[None]:
    """Remove the one ``if`` of ``function`` that raises an error with ``message`` in it.

    With ``operand``, remove only the one operand of the condition's ``or`` whose source has that text in it.
    """

    def edit(node: ast.AST) -> ast.AST | None:
        if not isinstance(node, ast.If) or not _raises(node.body, message):
            return None
        if operand is None:
            return ast.copy_location(ast.Pass(), node)
        if not isinstance(node.test, ast.BoolOp) or not isinstance(node.test.op, ast.Or):
            raise NoSuchCheckError(f"the check {message!r} is no disjunction")
        kept = [each for each in node.test.values if operand not in ast.unparse(each)]
        if len(kept) != len(node.test.values) - 1:
            raise NoSuchCheckError(f"{operand!r} is not in exactly one operand of the check {message!r}")
        node.test = kept[0] if len(kept) == 1 else ast.copy_location(ast.BoolOp(ast.Or(), kept), node.test)
        return node

    with _edited(function, edit, f"a check that says {message!r}"):
        yield


@contextmanager
def without_call(function: Callable[..., Any], name: str) -> Iterator[None]:
    """Remove the one statement of ``function`` that calls ``name`` for nothing but its errors."""

    def edit(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == name:
            return ast.copy_location(ast.Pass(), node)
        return None

    with _edited(function, edit, f"a call of {name}"):
        yield


@contextmanager
def forgetting(label: str) -> Iterator[None]:
    """Let every transcript leave out the items with ``label``, the prover's as well as the verifier's."""
    with patch.multiple(
        Transcript,
        absorb_bytes=_unless(label, Transcript.absorb_bytes),
        absorb_int=_unless(label, Transcript.absorb_int),
        absorb_ints=_unless(label, Transcript.absorb_ints),
    ):
        yield


@contextmanager
def one_coefficient_for_all() -> Iterator[None]:
    """Let every entry of a vector have the same coefficient: what is left is a proof about the sum of the entries."""
    original = Transcript.coefficients

    def coefficients(self: Transcript, count: int, bits: int, label: str) -> list[mpz]:
        return original(self, count, bits, label)[:1] * count

    with patch.object(Transcript, "coefficients", coefficients):
        yield


def _unless(label: str, original: Callable[..., None]) -> Callable[..., None]:
    def absorb(self: Transcript, name: str, *values: Any) -> None:
        if name != label:
            original(self, name, *values)

    return absorb


def _raises(body: Sequence[ast.stmt], message: str) -> bool:
    """Return whether the statements, not counting those of an ``if`` inside, raise an error with ``message`` in it."""
    return any(
        isinstance(statement, ast.Raise) and any(message in text for text in _texts(statement)) for statement in body
    )


def _texts(node: ast.AST) -> list[str]:
    return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]


@contextmanager
def _edited(function: Callable[..., Any], edit: Edit, what: str) -> Iterator[None]:
    target = inspect.unwrap(getattr(function, "__func__", function))
    if not isinstance(target, FunctionType):
        raise NoSuchCheckError(f"{function!r} is not written in Python")
    before, edits = target.__code__, _edits.setdefault(target, [])
    edits.append((edit, what))
    try:
        # the code and not the name is exchanged: whoever imported the function by name gets the weakened one too
        target.__code__ = _recompiled(target, edits)
        _forget_cached(function)
        yield
    finally:
        edits.pop()
        target.__code__ = before
        _forget_cached(function)


def _forget_cached(function: Callable[..., Any]) -> None:
    clear = getattr(function, "cache_clear", None)
    if clear is not None:
        clear()


class _Editor(ast.NodeTransformer):
    def __init__(self, edit: Edit) -> None:
        self.edit, self.edits = edit, 0

    def visit(self, node: ast.AST) -> Any:
        replacement = self.edit(node)
        if replacement is not None:
            self.edits += 1
            return replacement
        return self.generic_visit(node)


def _recompiled(function: FunctionType, edits: Sequence[tuple[Edit, str]]) -> CodeType:
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise NoSuchCheckError(f"{function.__qualname__} is not a plain function")
    definition.decorator_list = []
    for edit, what in edits:
        editor = _Editor(edit)
        tree = editor.visit(tree)
        if editor.edits != 1:
            raise NoSuchCheckError(f"{function.__qualname__} has {editor.edits} times {what}, not once")
    ast.increment_lineno(ast.fix_missing_locations(tree), first - 1)
    module = compile(tree, inspect.getfile(function), "exec", flags=annotations.compiler_flag, dont_inherit=True)
    code = next(each for each in module.co_consts if isinstance(each, CodeType) and each.co_name == function.__name__)
    if code.co_freevars != function.__code__.co_freevars:
        raise NoSuchCheckError(f"{function.__qualname__} closes over other variables when compiled alone")
    return code
