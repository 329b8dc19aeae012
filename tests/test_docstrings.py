"""Docstrings say what a reader looks for: a verb or a noun first, and every argument."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import embfilter_viz

PACKAGE = Path(embfilter_viz.__file__).parent

FROM_ARGUMENTS = 4
"""Arguments from which on a docstring has Args and Returns."""

QUESTIONS = frozenset({"What", "Which", "Whether", "How", "Where", "Why", "When", "Of"})
"""Words that begin neither an imperative nor a noun."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Documented:
    """A function, a method or a class, with its docstring."""

    where: str
    node: Function | ast.ClassDef
    text: str
    arguments: tuple[str, ...]

    @property
    def gives(self) -> bool:
        """Whether it returns something, by its annotation."""
        if isinstance(self.node, ast.ClassDef) or getattr(self.node, "name", "") == "__init__":
            return False
        returns = self.node.returns
        return not (isinstance(returns, ast.Constant) and returns.value is None)


def documented(code: str, where: str = "here") -> Iterator[Documented]:
    """All that has a docstring; a class documents the arguments of its ``__init__``."""
    tree = ast.parse(code)
    owners = {
        id(part): node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for part in node.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield Documented(f"{where}:{node.lineno} {node.name}", node, text, ())
        elif isinstance(node, Function) and not is_command(node):
            owner = owners.get(id(node))
            text = ast.get_docstring(node)
            if text is None and node.name == "__init__" and owner is not None:
                text = ast.get_docstring(owner)
            if text is not None:
                names = arguments_of(node, method=owner is not None)
                yield Documented(f"{where}:{node.lineno} {node.name}", node, text, names)


def arguments_of(node: Function, *, method: bool) -> tuple[str, ...]:
    """Names of all arguments but a method's own first one."""
    said = node.args
    names = [one.arg for one in (*said.posonlyargs, *said.args, *said.kwonlyargs)]
    names += [one.arg for one in (said.vararg, said.kwarg) if one is not None]
    return tuple(names[1:] if method and names[:1] in (["self"], ["cls"]) else names)


def is_command(node: Function) -> bool:
    """Whether click shows the docstring as help, where options document themselves."""
    return any("command" in ast.unparse(one) for one in node.decorator_list)


def faults(one: Documented) -> Iterator[str]:
    """All that is missing in a docstring."""
    first = one.text.split()[0]
    if first in QUESTIONS:
        yield f"{one.where}: begins with {first!r}, neither an imperative verb nor a noun"
    if len(one.arguments) < FROM_ARGUMENTS:
        return
    lines = [line.strip() for line in one.text.splitlines()]
    if "Args:" not in lines:
        yield f"{one.where}: has {len(one.arguments)} arguments and no Args"
    else:
        for name in one.arguments:
            if not any(
                name in line.partition(":")[0].replace(",", " ").replace("*", "").split()
                for line in lines
            ):
                yield f"{one.where}: Args leave out {name}"
    if one.gives and not {"Returns:", "Yields:"} & set(lines):
        yield f"{one.where}: has {len(one.arguments)} arguments and no Returns"


def test_every_docstring_of_the_package_says_what_it_should() -> None:
    found = [
        fault
        for path in sorted(PACKAGE.rglob("*.py"))
        for one in documented(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE)))
        for fault in faults(one)
    ]
    assert found == []


WHOLE = '''
def f(a, b, c, d) -> int:
    """Add up.

    Args:
        a: one.
        b, c: more.
        d: the last.

    Returns:
        the sum.
    """
'''


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Add up.", "What comes out.", "begins with 'What'"),
        ("        d: the last.\n", "", "Args leave out d"),
        ("Args:", "Given:", "no Args"),
        ("Returns:", "Gives:", "no Returns"),
    ],
)
def test_a_docstring_that_lacks_something_is_found(old: str, new: str, fault: str) -> None:
    assert [fault for one in documented(WHOLE) for fault in faults(one)] == []
    found = [said for one in documented(WHOLE.replace(old, new)) for said in faults(one)]
    assert any(fault in said for said in found), found


def test_what_needs_no_returns_has_none() -> None:
    none = WHOLE.replace("-> int", "-> None").replace("Returns:\n        the sum.\n", "")
    assert [fault for one in documented(none) for fault in faults(one)] == []
    three = "def f(a, b, c) -> int:\n    '''Add up.'''"
    assert [fault for one in documented(three) for fault in faults(one)] == []


def test_a_class_documents_its_init() -> None:
    made = "class A:\n    '''A sum.'''\n    def __init__(self, a, b, c, d): ..."
    (fault,) = [fault for one in documented(made) for fault in faults(one)]
    assert "no Args" in fault
