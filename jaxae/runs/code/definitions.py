"""The top-level statements of Python source that define each name, in a form without comments and layout.

The form of a statement is a walk over its syntax tree: node types and fields that are not empty. It is the
same in Python 3.11 to 3.13, and for source that differs only in comments, docstrings or blank lines.
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

_IGNORED_FIELDS = {"ctx", "type_comment", "kind"}  # fields without effect on the execution
_DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
_IMPORTS = ast.Import, ast.ImportFrom


class Import(NamedTuple):
    """An imported module, or one name of it."""

    module: str
    """Dotted name, with leading dots for a relative import."""
    name: str | None = None
    """Imported name; None for the module itself."""

    @property
    def dotted(self) -> str:
        """Full dotted name, the same for `import a.b as c` and `from a import b as c`."""
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True, eq=False)
class Statement:
    """A top-level statement."""

    node: ast.stmt
    """Its syntax tree."""
    text: str
    """Its source, with decorators."""
    order: tuple[int, int]
    """(number of the cell, place in the cell)."""

    @functools.cached_property
    def form(self) -> str:
        """SHA-256 of the syntax tree without docstrings."""
        return hashlib.sha256(json.dumps(_as_lists(self.node)).encode()).hexdigest()

    @functools.cached_property
    def reads(self) -> list[str]:
        """Global names that the statement, or a function in it, reads; sorted."""
        block = _symbol_table(self.node)
        if block is None:
            # Without a symbol table all names count: local names too
            # many are harmless, a missing global is not.
            return sorted({part.id for part in ast.walk(self.node) if isinstance(part, ast.Name)})
        return sorted(set(_read_names(block, is_top=True)))

    @functools.cached_property
    def imports(self) -> list[Import]:
        """Imports inside the statement, by a function or under a condition."""
        return [whole for part in ast.walk(self.node) for _, _, whole in _import_bindings(part)]

    def chains(self, name: str) -> list[tuple[str, ...]]:
        """Return the attributes that are read from a global name.

        They are (block, width) for `layers.block.width`, and () for the name alone.
        """
        return sorted(set(_attribute_chains(self.node, name)))


@dataclass(frozen=True, eq=False)
class Table:
    """Names that source defines."""

    bound: dict[str, list[Statement]] = field(default_factory=dict)
    """Name -> the statements that bind or change it, in order; without imports."""
    imports: dict[str, tuple[Import, Statement]] = field(default_factory=dict)
    """Name -> the import that binds it, and its statement."""
    stars: list[tuple[Import, Statement]] = field(default_factory=list)
    """Modules of `from module import *`, and the statements."""
    everything: list[Import] = field(default_factory=list)
    """All imports, at any depth."""
    rebound: set[str] = field(default_factory=set)
    """Names that functions rebind with `global`: their values at run time say nothing about the source."""


@functools.lru_cache(maxsize=512)
def parse(cells: tuple[str, ...]) -> Table:
    """Return the names that source defines, cell after cell; a file is one cell.

    A cell that binds a name replaces the statements of earlier cells that bound it, as running a notebook's
    cell again does.
    """
    table = Table()
    for number, cell in enumerate(cells):
        with contextlib.suppress(SyntaxError, ValueError):  # a cell with %magic or another language
            _add_cell(table, cell, number)
    return table


def _add_cell(table: Table, cell: str, number: int) -> None:
    statements = [
        Statement(node, _source_lines(cell, node), (number, place))
        for place, node in enumerate(ast.parse(cell).body)
    ]
    binding = [(statement, _bound_names(statement.node)) for statement in statements]
    for name in {name for _, names in binding for name in names}:
        # Only names that this cell binds are replaced; statements of one
        # cell add up (`x = []`, then `x.append(1)`).
        table.bound.pop(name, None)
        table.imports.pop(name, None)
    for statement, names in binding:
        table.everything.extend(statement.imports)
        table.rebound.update(_global_names(statement.node))
        if isinstance(statement.node, _IMPORTS):
            for name, imported, _ in _import_bindings(statement.node):
                if name == "*":
                    table.stars.append((Import(imported.module), statement))
                table.imports[name] = imported, statement
            continue
        # `plt.figure()` calls an imported module: it is not counted as a
        # change of a name that the source defines.
        changed = {
            name
            for name, is_call in _changed_names(statement.node)
            if not (is_call and name in table.imports)
        }
        for name in names | changed:
            table.bound.setdefault(name, []).append(statement)


def _source_lines(cell: str, node: ast.stmt) -> str:
    """Return the source lines of a statement, decorators included."""
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    return "\n".join(cell.splitlines()[first - 1 : node.end_lineno])


def _as_lists(node: Any) -> Any:
    """Return the syntax tree as lists, without docstrings and empty fields."""
    if isinstance(node, ast.AST):
        present = [(name, value) for name, value in ast.iter_fields(node) if name not in _IGNORED_FIELDS]
        # Empty fields are left out: Python 3.12 and 3.13 added fields,
        # such as `type_params`, that are empty here.
        trees = [[name, _as_lists(value)] for name, value in present if value is not None]
        return [type(node).__name__, *(tree for tree in trees if tree[1] != [])]
    if isinstance(node, list):
        return [_as_lists(item) for item in node if not _is_docstring(item)]
    return repr(node)


def _is_docstring(node: Any) -> bool:
    """Return whether a statement is a docstring of a definition or a field."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _symbol_table(node: ast.stmt) -> symtable.SymbolTable | None:
    """Return Python's symbol table of a statement, or None."""
    try:
        # symtable takes text, not a tree; unparsed, it is the statement alone without the rest of its cell.
        return symtable.symtable(ast.unparse(node), "<statement>", "exec")
    except SyntaxError:  # `await` outside a function, in a notebook
        return None


def _read_names(block: symtable.SymbolTable, *, is_top: bool = False) -> Iterator[str]:
    """Yield the names that a block and its inner blocks read from the module."""
    for symbol in block.get_symbols():
        # A class body also reads the module's name if it binds the same name itself.
        is_global = symbol.is_referenced() if is_top or block.get_type() == "class" else symbol.is_global()
        if is_global:
            yield symbol.get_name()
    for child in block.get_children():
        yield from _read_names(child)


def _bound_names(node: ast.stmt) -> set[str]:
    """Return the names that a top-level statement binds."""
    block = _symbol_table(node)
    if block is None:
        return {
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
    symbols = block.get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def _global_names(node: ast.stmt) -> set[str]:
    return {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}


def _changed_names(node: ast.stmt) -> Iterator[tuple[str, bool]]:
    """Yield (name, whether by a call) of changes: `f.x = 1`, `t["a"] = 1`, `t.append(1)`."""
    if isinstance(node, _DEFINITIONS):
        return
    for part in ast.walk(node):
        for target in _assigned_targets(part):
            if isinstance(target, ast.Attribute | ast.Subscript) and (name := _root_name(target)):
                yield name, False
        call = part.value if isinstance(part, ast.Expr) else None
        if isinstance(call, ast.Call):
            # A call as a statement: its result is not used, so it
            # probably changes its object, as `append` does.
            is_set = isinstance(call.func, ast.Name) and call.func.id in ("setattr", "delattr")
            changed = call.args[0] if is_set and call.args else call.func
            if (is_set or isinstance(call.func, ast.Attribute)) and (name := _root_name(changed)):
                yield name, not is_set


def _assigned_targets(node: ast.AST) -> Sequence[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []


def _root_name(node: ast.expr) -> str | None:
    """Return the name at the start of a chain of attributes and subscripts: `a` for `a.b[0].c`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _import_bindings(node: ast.AST) -> Iterator[tuple[str, Import, Import]]:
    """Yield (bound name, the import it refers to, the whole import) of an import statement.

    `import a.b` binds the name a to a, but imports a.b.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole, top = Import(alias.name), alias.name.partition(".")[0]
            yield (alias.asname, whole, whole) if alias.asname else (top, Import(top), whole)
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            imported = Import(module, alias.name)
            yield alias.asname or alias.name, imported, imported


def _attribute_chains(node: ast.AST, name: str) -> Iterator[tuple[str, ...]]:
    chain: list[str] = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        if node.id == name:
            yield tuple(reversed(chain))
        return
    for child in ast.iter_child_nodes(node):
        yield from _attribute_chains(child, name)
