"""Measure how the package is written: phrases to avoid, shares of docstrings and comments, missing sections.

    python -m tests.plain_language              the package
    python -m tests.plain_language jaxae/data   one room, with each finding

The phrases are those that CONTRIBUTING.md rules out. The share of docstrings is lines of docstrings for
each line of code. The share of comments is lines with a comment among lines of code and comments.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jaxae"

# Phrase -> (pattern, the largest count per 1,000 words in optax, distrax, equinox and kauldron).
PHRASES = {
    "what, as a noun": (
        r"(?<!no matter )\bwhat (?!if\b|kind\b)(?:\w+ ){0,3}?(?:is|are|was|were|has|have|had|can|may|does"
        r"|it|they|a|the|jaxae|each|no|one|to|makes?)\b",
        0.4,
    ),
    "told, tells": (r"\b(?:told|tells?|telling)\b", 0.03),
    "beside": (r"\bbeside\b", 0.0),
    "where there": (r"\bwhere there\b", 0.01),
    "begun, anew": (r"\b(?:begun|began|anew|begins? anew)\b", 0.0),
    "of its own": (r"\bof (?:its|their|one's) own\b", 0.0),
    "which is none": (r"\bwhich is none\b|\bthat is none\b|\bis no (?:number|seed|whole)\b", 0.0),
    "so many": (r"\bso many\b|\bas many\b", 0.0),
    "left alone": (r"\bleft alone\b", 0.0),
    "stands for": (r"\bstands? for\b", 0.0),
    "a word asked": (r"\bis asked\b|\bare asked\b|\basked for\b", 0.0),
}

# First words of a function's docstring that are no verb.
NOT_VERBS = re.compile(
    r"(?:an?|the|what|whether|where|which|who|how|those|these|this|that|of|from|in|on|for|to|with|without|if|as"
    r"|all|each|every|no|none|not|one|two|some|many|more|only|so|its?|they|their|there|here)$"
)


class Finding(NamedTuple):
    """One place that breaks a rule."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class Module(NamedTuple):
    """A source file: its syntax tree, and the text of docstrings and comments by line."""

    file: Path
    tree: ast.Module
    docstrings: list[tuple[int, int, str]]
    comments: list[tuple[int, str]]
    code: int
    """Number of lines that are neither empty, nor a comment alone, nor in a docstring."""
    comments_alone: int
    """Number of lines that are a comment alone."""


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the docstrings of modules, classes, functions and fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for number, statement in enumerate(body):
            value = statement.value if isinstance(statement, ast.Expr) else None
            if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
                continue
            after_field = number > 0 and isinstance(body[number - 1], ast.Assign | ast.AnnAssign)
            is_owner = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if after_field or (number == 0 and is_owner):
                yield value


def parse(file: Path, text: str) -> Module:
    """Parse the text of a source file."""
    tree = ast.parse(text)
    strings = [(each.lineno, each.end_lineno or each.lineno, str(each.value)) for each in docstrings(tree)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [(each.start[0], each.string) for each in tokens if each.type == tokenize.COMMENT]
    documented = {line for first, last, _ in strings for line in range(first, last + 1)}
    code = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#") and number not in documented
    ]
    alone = sum(line.strip().startswith("#") for line in text.splitlines())
    return Module(file, tree, strings, comments, len(code), alone)


def modules(folder: Path = PACKAGE) -> list[Module]:
    """Read all source files below a folder, or one file."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    return [parse(file, file.read_text()) for file in files]


def texts(module: Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every docstring and comment."""
    for first, _, text in module.docstrings:
        yield first, text
    for line, text in module.comments:
        if not re.match(r"#\s*(?:type:|noqa)", text):
            yield line, text


def phrases(read_modules: list[Module]) -> dict[str, list[Finding]]:
    """Find the phrases to avoid in docstrings and comments."""
    found: dict[str, list[Finding]] = {name: [] for name in PHRASES}
    for module in read_modules:
        for first, text in texts(module):
            for name, (pattern, _) in PHRASES.items():
                for match in re.finditer(pattern, text, re.IGNORECASE):
                    line = first + text[: match.start()].count("\n")
                    context = " ".join(text[max(0, match.start() - 30) : match.end() + 30].split())
                    found[name].append(Finding(module.file, line, f"{name}: … {context} …"))
    return found


def words(read_modules: list[Module]) -> int:
    """Count the words of docstrings and comments."""
    return sum(len(text.split()) for module in read_modules for _, text in texts(module))


def functions(module: Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Yield each function and method that is not inside another one, and whether it is public."""

    def walk(
        body: list[ast.stmt], public: bool
    ) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, public and not node.name.startswith("_"))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node, public and not node.name.startswith("_")

    return walk(module.tree.body, True)


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}


def first_lines(read_modules: list[Module]) -> list[Finding]:
    """Find functions whose docstring does not start with a verb; a formula (`KL(q || p)`) may stand first."""
    found = []
    for module in read_modules:
        for node, _ in functions(module):
            text = ast.get_docstring(node)
            if not text or _decorators(node) & {"property", "cached_property"}:
                continue
            first = text.split()[0]
            if NOT_VERBS.match(first.lower().strip(",.:")):
                found.append(Finding(module.file, node.lineno, f"{node.name}: starts with {first!r}"))
    return found


def protocol_methods() -> set[str]:
    """Return the names of methods that a protocol describes: their implementations need no sections."""
    names = set()
    for file in (PACKAGE / "protocols").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                names |= {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return names


def sections(read_modules: list[Module]) -> list[Finding]:
    """Find public functions of more than one argument without a section Args, or Returns if they return."""
    described, found = protocol_methods(), []
    for module in read_modules:
        is_protocol = module.file.parent.name == "protocols"
        for node, public in functions(module):
            if not public or (node.name in described and not is_protocol):
                continue
            text = ast.get_docstring(node) or ""
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [each.arg for each in given if each.arg not in ("self", "cls")]
            if len(names) < 2 or _decorators(node) & {"overload", "property", "cached_property"}:
                continue
            returns = node.returns is not None and ast.unparse(node.returns) not in ("None", "NoReturn")
            if "Args:" not in text:
                found.append(Finding(module.file, node.lineno, f"{node.name}: no section Args"))
            if returns and not re.search(r"(?:Returns|Yields):", text):
                found.append(Finding(module.file, node.lineno, f"{node.name}: no section Returns"))
    return found


def shares(read_modules: list[Module]) -> tuple[float, float]:
    """Return (lines of docstrings / lines of code, lines with a comment / lines of code and comments)."""
    code = sum(module.code for module in read_modules)
    documented = sum(last - first + 1 for module in read_modules for first, last, _ in module.docstrings)
    lines = sum(len({line for line, _ in module.comments}) for module in read_modules)
    alone = sum(module.comments_alone for module in read_modules)
    return documented / max(code, 1), lines / max(code + alone, 1)


def main(arguments: list[str]) -> None:
    """Print the counts of the package, or of a room with every finding."""
    read_modules = modules(Path(arguments[0]).resolve() if arguments else PACKAGE)
    number = words(read_modules)
    for name, found in phrases(read_modules).items():
        print(f"{name:18s} {len(found):5d}  {1000 * len(found) / max(number, 1):6.2f} per 1,000 words")
        if arguments:
            print(*(f"  {each}" for each in found), sep="\n")
    for title, findings in (("first lines", first_lines(read_modules)), ("sections", sections(read_modules))):
        print(f"{title:18s} {len(findings):5d}")
        if arguments:
            print(*(f"  {each}" for each in findings), sep="\n")
    docs, comments = shares(read_modules)
    print(f"docstrings / code  {docs:.3f}   comments {comments:.3f}   words {number}")


if __name__ == "__main__":
    main(sys.argv[1:])
