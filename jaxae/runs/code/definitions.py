"""The top-level statements of Python source that define each name, in a form without comments and layout.

The form of a statement is a walk over its syntax tree: node types and fields that are not empty. It is the
same in Python 3.11 to 3.13, and for source that differs in comments, docstrings or blank lines only.
"""

import ast
import contextlib
import functools
import hashlib
import json
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_NOT_MEANING = {"ctx", "type_comment", "kind"}  # fields that change nothing of what is executed
_DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
_IMPORTS = ast.Import, ast.ImportFrom


class Import(NamedTuple):
    """An imported module, or one name of it."""

    module: str
    """Dotted, with leading dots as a relative import has them."""
    name: str | None = None
    """None for the module itself."""

    @property
    def dotted(self) -> str:
        """The same for `import a.b as c` and `from a import b as c`."""
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True, eq=False)
class Statement:
    """A top-level statement."""

    node: ast.stmt
    text: str
    """As it is written, decorators included."""
    order: tuple[int, int]
    """Cell and place in the cell."""

    @functools.cached_property
    def form(self) -> str:
        """SHA-256 of the syntax tree without docstrings."""
        return hashlib.sha256(json.dumps(_tree(self.node)).encode()).hexdigest()

    @functools.cached_property
    def reads(self) -> list[str]:
        """The global names that the statement, or a function in it, reads; sorted."""
        block = _symbols(self.node)
        if block is None:
            return sorted({part.id for part in ast.walk(self.node) if isinstance(part, ast.Name)})
        return sorted(set(_reads(block, is_top=True)))

    @functools.cached_property
    def imports(self) -> list[Import]:
        """What is imported inside the statement, by a function or under a condition."""
        return [whole for part in ast.walk(self.node) for _, _, whole in _imported(part)]

    def chains(self, name: str) -> list[tuple[str, ...]]:
        """The attributes read from a global name: `layers.block.width` is (block, width), the name ()."""
        return sorted(set(_chains(self.node, name)))


@dataclass(frozen=True, eq=False)
class Table:
    """The names that source defines."""

    bound: dict[str, list[Statement]] = field(default_factory=dict)
    """Name -> the statements that bind it or change it, in order; imports are apart."""
    imports: dict[str, tuple[Import, Statement]] = field(default_factory=dict)
    """Name -> the import that binds it."""
    stars: list[tuple[Import, Statement]] = field(default_factory=list)
    """The modules of `from module import *`."""
    everything: list[Import] = field(default_factory=list)
    """All imports, at any depth."""
    rebound: set[str] = field(default_factory=set)
    """Names that functions rebind with `global`: their values say nothing about the source."""


@functools.lru_cache(maxsize=512)
def parse(cells: tuple[str, ...]) -> Table:
    """Return the names that source defines, cell after cell; a file is one cell.

    A cell that binds a name replaces what earlier cells bound to it, as running a notebook's cell again does.
    """
    table = Table()
    for number, cell in enumerate(cells):
        with contextlib.suppress(SyntaxError, ValueError):  # a notebook's cell of another language
            _add(table, cell, number)
    return table


def _add(table: Table, cell: str, number: int) -> None:
    statements = [
        Statement(node, _text(cell, node), (number, place)) for place, node in enumerate(ast.parse(cell).body)
    ]
    binding = [(each, _bound(each.node)) for each in statements]
    for name in {name for _, names in binding for name in names}:
        table.bound.pop(name, None)
        table.imports.pop(name, None)
    for statement, names in binding:
        table.everything.extend(statement.imports)
        table.rebound.update(_rebound(statement.node))
        if isinstance(statement.node, _IMPORTS):
            for name, found, _ in _imported(statement.node):
                if name == "*":
                    table.stars.append((Import(found.module), statement))
                table.imports[name] = found, statement
            continue
        changed = {
            name for name, is_call in _changed(statement.node) if not (is_call and name in table.imports)
        }
        for name in names | changed:
            table.bound.setdefault(name, []).append(statement)


def _text(cell: str, node: ast.stmt) -> str:
    """The lines of a statement."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return "\n".join(cell.splitlines()[first - 1 : node.end_lineno])


def _tree(node: Any) -> Any:
    if isinstance(node, ast.AST):
        kept = [(name, value) for name, value in ast.iter_fields(node) if name not in _NOT_MEANING]
        trees = [[name, _tree(value)] for name, value in kept if value is not None]
        return [type(node).__name__, *(tree for tree in trees if tree[1] != [])]
    if isinstance(node, list):
        return [_tree(each) for each in node if not _is_text(each)]
    return repr(node)


def _is_text(node: Any) -> bool:
    """Whether a statement is a docstring, of a definition or a field."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _symbols(node: ast.stmt) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(ast.unparse(node), "<statement>", "exec")
    except SyntaxError:  # await outside of a function, in a notebook
        return None


def _reads(block: symtable.SymbolTable, *, is_top: bool = False) -> Iterator[str]:
    for symbol in block.get_symbols():
        # A class body looks a name up in the module too where it binds that name itself.
        here = symbol.is_referenced() if is_top or block.get_type() == "class" else symbol.is_global()
        if here:
            yield symbol.get_name()
    for child in block.get_children():
        yield from _reads(child)


def _bound(node: ast.stmt) -> set[str]:
    """The names that a top-level statement binds."""
    block = _symbols(node)
    if block is None:
        return {
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
    symbols = block.get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def _rebound(node: ast.stmt) -> set[str]:
    return {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}


def _changed(node: ast.stmt) -> Iterator[tuple[str, bool]]:
    """(name, whether by a call) of what a statement changes: `f.x = 1`, `t["a"] = 1`, `t.append(1)`."""
    if isinstance(node, _DEFINITIONS):
        return
    for part in ast.walk(node):
        for target in _targets(part):
            if isinstance(target, ast.Attribute | ast.Subscript) and (name := _root(target)):
                yield name, False
        call = part.value if isinstance(part, ast.Expr) else None
        if isinstance(call, ast.Call):
            is_set = isinstance(call.func, ast.Name) and call.func.id in ("setattr", "delattr")
            changed = call.args[0] if is_set and call.args else call.func
            if (is_set or isinstance(call.func, ast.Attribute)) and (name := _root(changed)):
                yield name, not is_set


def _targets(node: ast.AST) -> Sequence[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _imported(node: ast.AST) -> Iterator[tuple[str, Import, Import]]:
    """(bound name, what it is bound to, what is imported): `import a.b` binds a to a and imports a.b."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole, top = Import(alias.name), alias.name.partition(".")[0]
            yield (alias.asname, whole, whole) if alias.asname else (top, Import(top), whole)
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            found = Import(module, alias.name)
            yield alias.asname or alias.name, found, found


def _chains(node: ast.AST, name: str) -> Iterator[tuple[str, ...]]:
    chain: list[str] = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        if node.id == name:
            yield tuple(reversed(chain))
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child, name)
