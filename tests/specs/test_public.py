"""The public names: one list, found by type checkers, and the same at run time."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxae
from jaxae.specs import public, pytree, renamed
from jaxae.specs.pytree import replace

STUB = Path(jaxae.__file__).with_suffix(".pyi")


def stub_names() -> dict[str, str]:
    """Public name -> module, as a type checker reads the stub."""
    imports = [node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom)]
    pairs = [(alias, f"jaxae.{node.module or alias.name}") for node in imports for alias in node.names]
    assert all(alias.asname == alias.name for alias, _ in pairs), "a name without `as` is not exported"
    return {alias.name: module for alias, module in pairs}


def test_the_list_is_the_stub_and_names_where_each_value_is_defined() -> None:
    found = stub_names()
    assert sorted(found) == sorted(jaxae.__all__) == sorted(public.NAMES)
    for name, module in found.items():
        assert getattr(public.get(name), "__module__", module) == module, name


def test_type_checkers_read_the_package() -> None:
    assert STUB.with_name("py.typed").exists()


@pytest.mark.slow
def test_no_public_name_is_any_to_a_type_checker(tmp_path: Path) -> None:
    lines = ["import jaxae", *(f"reveal_type(jaxae.{name})" for name in sorted(jaxae.__all__))]
    (tmp_path / "names.py").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "names.py"]
    environment = {"MYPYPATH": str(STUB.parent.parent), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    told = [line for line in done.stdout.splitlines() if line.startswith("names.py") and "Revealed" in line]
    assert len(told) == len(jaxae.__all__), done.stdout
    assert [line for line in told if 'type is "Any"' in line] == []


def test_only_classes_of_jaxae_have_public_names() -> None:
    class VAE:
        __module__ = "mine"
        __qualname__ = "VAE"

    assert public.name_of(VAE) is None
    assert public.find("mine.VAE") is None and public.find("jaxae.nope") is None


def test_a_class_of_a_public_module_is_public_under_it() -> None:
    assert public.name_of(jaxae.protocols.Likelihood) == "jaxae.protocols.Likelihood"
    assert public.find("jaxae.protocols.Likelihood") is jaxae.protocols.Likelihood
    assert public.find("jaxae.VAE.init") is None and public.find("jaxae.protocols.nope") is None


def test_an_old_name_is_an_error_that_names_the_new_one() -> None:
    for old, new in renamed.PUBLIC.items():
        assert public.find(f"jaxae.{new}") is not None
        with pytest.raises(AttributeError, match=f"^jaxae.{old} is now jaxae.{new}$"):
            getattr(jaxae, old)


def test_an_old_field_is_an_error_that_names_the_new_one() -> None:
    with pytest.raises(TypeError, match="^VQGAN.deception_weight is now generator_weight$"):
        jaxae.VQGAN(deception_weight=1.0)  # type: ignore[call-arg]
    with pytest.raises(jaxae.JaxaeError, match="^model.deception_weight: is now model.generator_weight$"):
        replace(jaxae.Experiment(model=jaxae.VQGAN()), "model.deception_weight", 1.0)
    for name, fields in renamed.FIELDS.items():
        assert set(fields.values()) <= set(pytree.fields(public.find(f"jaxae.{name}")))


def test_a_name_that_is_mistyped_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        AttributeError, match="^module 'jaxae' has no attribute 'VEA'; did you mean 'VAE'[?]$"
    ):
        jaxae.VEA  # type: ignore[attr-defined] # noqa: B018
    assert not hasattr(jaxae, "__wrapped__") and set(jaxae.__all__) <= set(dir(jaxae))
