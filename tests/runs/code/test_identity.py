"""The digest of a user's own classes: what changes it, and what does not."""

import linecache
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.runs import config
from jaxae.runs.code import identity
from jaxae.runs.code.definitions import Import, parse
from jaxae.runs.code.identity import Code
from jaxae.specs.pytree import replace
from jaxae.specs.records import class_name, from_record, to_record
from tests import small

LAYERS = """\
import jax.numpy as jnp

GAIN = 2.0
UNUSED = 5


def block(x, width=3):
    return GAIN * jnp.tanh(x)


def unused(x):
    return UNUSED * x
"""
OWN = """\
'''A config.'''

import math

import flax.linen as nn

import jaxae
import layers

OFFSET = 0.5
TABLE = {"a": 1.0}
TABLE["b"] = 2.0
SHARED = 7


def twice(x):
    '''Doubles.'''
    return 2 * helper(x)


def helper(x):
    return x + TABLE["a"]


def named(cls):
    return cls


class Base(nn.Module):
    '''A base.'''

    width: int = 4
    '''Units.'''

    def start(self, x):
        return x


@named
class Net(Base):
    @nn.compact
    def __call__(self, x, shape):
        SHARED = x  # a local name that a global one happens to have
        x = twice(layers.block(self.start(x.reshape(len(x), -1))))
        return nn.Dense(math.prod(shape))(x).reshape(len(x), *shape) + OFFSET


nets = {"encoder": Net(), "decoder": Net(width=5)}
experiment = jaxae.Experiment(model=jaxae.VAE(**nets, latent_dim=2), epochs=2)
sweep = [{"model.beta": 1.0}]
"""


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    """Each test imports its own files."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name in ("layers", "other") or name.startswith(("mylib", config.CONFIGS)):
            del sys.modules[name]


def code_of(own: str = OWN, layers: str = LAYERS, name: str = "own.py") -> Code:
    """The code of the config's experiment, as a new process finds it."""
    for module in ("layers", "other"):
        sys.modules.pop(module, None)
    Path("layers.py").write_text(layers)
    Path(name).write_text(own)
    found = identity.describe(jaxae.load_config(name))
    assert found is not None
    return found


CHANGES = {
    "the class": ("+ OFFSET", "- OFFSET"),
    "a field's default": ("width: int = 4", "width: int = 6"),
    "a base class": ("return x\n\n\n@named", "return -x\n\n\n@named"),
    "a function that it calls": ("return 2 * helper", "return 3 * helper"),
    "a function that this calls": ("x + TABLE", "x - TABLE"),
    "a constant that it reads": ("OFFSET = 0.5", "OFFSET = 0.6"),
    "a table that is changed": ('TABLE["b"] = 2.0', 'TABLE["b"] = 3.0'),
    "a decorator": ("def named(cls):\n", "def named(cls):\n    cls.width = 3\n"),
    "an import": ("import math", "import numpy as math"),
    "a method put into it": ("nets = {", "Net.start = lambda self, x: -x\n\nnets = {"),
}
NO_CHANGES = {
    "a comment": ("OFFSET = 0.5", "# of the end\nOFFSET = 0.5  # nats"),
    "docstrings": ("'''Doubles.'''", "'''Returns twice as much.'''"),
    "a docstring less": ("    '''A base.'''\n\n", ""),
    "blank lines and layout": ("return 2 * helper(x)", "\n    return (\n        2 * helper( x )\n    )"),
    "the experiment": ("epochs=2", "epochs=3"),
    "what the experiment is made from": ("Net(width=5)", "Net(width=6)"),
    "the sweep": ('"model.beta": 1.0', '"model.beta": 2.0'),
    "a global name that is local in it": ("SHARED = 7", "SHARED = 8"),
    "another spelling of an import": ("import flax.linen as nn", "from flax import linen as nn"),
    "a function that is not reached": ("nets = {", "def more():\n    return 1\n\n\nnets = {"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_digest_changes_with_the_code(name: str) -> None:
    changed = OWN.replace(*CHANGES[name])
    assert changed != OWN
    before, after = code_of(), code_of(changed)
    assert before.digest != after.digest and set(before.classes) == set(after.classes)


@pytest.mark.parametrize("name", NO_CHANGES)
def test_the_digest_stays_with_everything_else(name: str) -> None:
    changed = OWN.replace(*NO_CHANGES[name])
    assert changed != OWN and code_of().digest == code_of(changed).digest


def test_a_file_that_is_imported_is_followed_as_far_as_it_is_used() -> None:
    before = code_of()
    assert code_of(layers=LAYERS.replace("GAIN = 2.0", "GAIN = 3.0")).digest != before.digest
    assert code_of(layers=LAYERS.replace("jnp.tanh(x)", "jnp.tanh(-x)")).digest != before.digest
    assert code_of(layers=LAYERS.replace("UNUSED = 5", "UNUSED = 6")).digest == before.digest
    assert before.definitions["layers.py"].keys() == {"block", "GAIN"}
    assert before.texts == {"own.py": OWN, "layers.py": LAYERS} and before.entry == "own.py"


@pytest.mark.parametrize(
    "imported, called",
    [
        ("from layers import block", "block("),
        ("from layers import block as b", "b("),
        ("from layers import *", "block("),
        ("import layers as l", "l.block("),
        ("import other", "other.block("),  # which imports it from there
        ("", "__import__('layers').block("),
    ],
)
def test_every_way_to_import_a_file(imported: str, called: str) -> None:
    Path("other.py").write_text("from layers import block\n")
    own = OWN.replace("import layers\n", f"{imported}\n").replace("layers.block(", called)
    before, after = (code_of(own, text) for text in (LAYERS, LAYERS.replace("2.0", "3.0")))
    assert (before.digest != after.digest) is (imported != "")


def test_an_import_inside_a_function_is_followed_before_and_after_it_happens() -> None:
    own = OWN.replace("import layers\n", "").replace("    return 2 *", "    import layers\n\n    return 2 *")
    own = own.replace("layers.block(", "(")
    before = code_of(own)
    here = str(Path.cwd())  # not ".", for which Python remembers the directory of its first use
    sys.path.insert(0, here)
    try:
        import layers  # noqa: F401 (as the function does)

        again = identity.describe(jaxae.load_config("own.py"))
        assert again is not None and again.digest == before.digest
    finally:
        sys.path.remove(here)
    assert code_of(own, LAYERS.replace("2.0", "3.0")).digest != before.digest


def test_a_package_of_ones_own_is_kept_whole_enough_to_be_imported(tmp_path: Path) -> None:
    (tmp_path / "mylib").mkdir()
    Path("mylib/__init__.py").write_text("")
    Path("mylib/parts.py").write_text("from . import deep\n\n\ndef block(x):\n    return deep.more(x)\n")
    Path("mylib/deep.py").write_text("def more(x):\n    return 2 * x\n")
    own = OWN.replace("import layers", "from mylib import parts as layers")
    before = code_of(own)
    assert set(before.texts) == {"own.py", "mylib/__init__.py", "mylib/parts.py", "mylib/deep.py"}
    Path("mylib/deep.py").write_text("def more(x):\n    return 3 * x\n")
    for name in [name for name in sys.modules if name.startswith("mylib")]:
        del sys.modules[name]
    assert code_of(own).digest != before.digest


def test_the_name_of_the_file_is_no_part_of_it() -> None:
    assert code_of().digest == code_of(name="renamed.py").digest


def test_classes_of_jaxae_have_no_code() -> None:
    for name in small.MEMBERS:
        assert identity.describe(small.experiment(small.member(name))) is None


def test_a_method_that_a_config_puts_into_a_class_of_jaxae_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxae.TopKAE, "weights", jaxae.TopKAE.weights)
    Path("patch.py").write_text(
        "import jaxae\n\n\ndef weights(self, step):\n    return {'distortion': 2.0}\n\n\n"
        "jaxae.TopKAE.weights = weights\n"
        "experiment = jaxae.Experiment(model=jaxae.TopKAE(k=1))\n"
    )
    found = identity.describe(jaxae.load_config("patch.py"))
    assert found is not None and found.definitions == {"patch.py": found.definitions["patch.py"]}
    assert list(found.classes) == ["jaxae.TopKAE"]


def factory(call: str) -> str:
    """A config whose class is made inside of a function."""
    head, _, body = OWN.partition("@named\nclass Net(Base):\n")
    body, _, tail = body.partition("\n\nnets = ")
    inner = "\n".join(f"    {line}" if line else line for line in body.splitlines())
    made = f"def make(gain):\n    class Net(Base):\n{inner} * gain\n\n    return Net\n\n\n{call}\n\n\nnets = "
    return head + made + tail


def test_a_class_made_by_a_function_counts_with_what_it_was_given() -> None:
    one, other = code_of(factory("Net = make(1.0)")), code_of(factory("Net = make(2.0)"))
    assert one.digest != other.digest and list(one.classes) == ["jaxae_configs.own.Net"]
    experiment = jaxae.load_config("own.py")
    assert from_record(to_record(experiment), jaxae.Experiment) == experiment


def test_two_classes_of_one_function_are_two() -> None:
    code_of(factory("Net = make(1.0)\nNet.__doc__ = 'One.'\nOther = make(2.0)"))
    module = sys.modules["jaxae_configs.own"]
    assert class_name(module.Other) == "jaxae_configs.own.Other"
    nets = [make() for make in (module.make(1.0), module.make(2.0))]  # bound to no name
    base = jaxae.load_config("own.py")
    found = [identity.describe(replace(base, "model.encoder", net)) for net in nets]
    assert found[0] and found[1] and found[0].digest != found[1].digest


def test_two_files_of_classes_can_be_given_as_one() -> None:
    Path("other.py").write_text("import jaxae\n\n\n@jaxae.spec\nclass Step(jaxae.Adam):\n    pass\n")
    own = OWN.replace("import layers", "import layers\nimport other").replace(
        "epochs=2", "epochs=2, optimizer=other.Step()"
    )
    assert code_of(own).entry == "own.py"
    alone = f"{LAYERS}\n\nfrom flax import linen\n\n\nclass Net(linen.Module):\n    pass\n"
    own = "import jaxae\nimport layers\nimport other\n\nvae = jaxae.VAE(encoder=layers.Net())\n"
    found = code_of(f"{own}experiment = jaxae.Experiment(model=vae, optimizer=other.Step())\n", alone)
    assert found.entry == "all_classes.py" and found.classes.keys() == {"layers.Net", "other.Step"}
    assert "from layers import Net\nfrom other import Step\n" in found.texts["all_classes.py"]


def test_a_file_that_was_edited_after_its_import_is_named(capsys: pytest.CaptureFixture) -> None:
    code_of()
    assert capsys.readouterr().err == ""
    Path("layers.py").write_text(LAYERS.replace("def block", "# a comment\ndef block"))
    identity.describe(jaxae.load_config("own.py"))
    assert capsys.readouterr().err == ""
    Path("layers.py").write_text(LAYERS.replace("tanh(x)", "tanh(-x)"))
    for _ in range(2):
        identity.describe(jaxae.load_config("own.py"))
    error = capsys.readouterr().err
    assert error.startswith("jaxae: warning: layers.py: has been edited since it was imported")
    assert error.count("\n") == 1


def test_the_text_of_an_experiment_is_the_one_that_was_executed() -> None:
    before = code_of()
    experiment = jaxae.load_config("own.py")
    Path("own.py").write_text(OWN.replace("+ OFFSET", "- OFFSET"))
    jaxae.load_config("own.py")  # a later version, under the same name
    again = identity.describe(experiment)
    assert again is not None and (again.digest, again.texts["own.py"]) == (before.digest, OWN)


# notebooks


class Notebook:
    """`__main__` as IPython has it: what was typed in a list, and cells under the names of no files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.main = types.ModuleType("__main__")
        vars(self.main).update({"In": [""], "get_ipython": lambda: None})
        monkeypatch.setitem(sys.modules, "__main__", self.main)

    def run(self, cell: str) -> None:
        name = f"/tmp/ipykernel_1/{len(self.main.In)}.py"
        self.main.In.append(cell)
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec"), vars(self.main))

    def code(self) -> Any:
        nets = {"encoder": self.main.Net(), "decoder": self.main.Net(width=5)}
        return identity.describe(jaxae.Experiment(model=jaxae.VAE(**nets, latent_dim=2)))


CELLS = OWN.partition("nets = ")[0].replace("layers.block", "").strip().split("\n\n\n")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    found = Notebook(monkeypatch)
    for cell in ["get_ipython()", *CELLS]:
        found.run(cell.replace("import layers\n", ""))
    return found


def test_a_notebooks_class_has_the_code_of_the_same_class_in_a_file(notebook: Notebook) -> None:
    found = notebook.code()
    assert found.digest == code_of(OWN.replace("layers.block", "").replace("import layers\n", "")).digest
    assert found.entry == "main_classes.py" and list(found.classes) == ["__main__.Net"]
    Path("copy.py").write_text(found.texts["main_classes.py"])
    module = config.execute(Path("copy.py"))
    nets = {"encoder": module.Net(), "decoder": module.Net(width=5)}
    copied = identity.describe(jaxae.Experiment(model=jaxae.VAE(**nets, latent_dim=2)))
    assert copied is not None and copied.digest == found.digest


def test_the_last_cell_that_defines_a_name_counts(notebook: Notebook) -> None:
    before = notebook.code().digest
    notebook.run("OFFSET = 0.75")
    after = notebook.code().digest
    assert after != before
    notebook.run("OFFSET = 0.5")
    assert notebook.code().digest == before
    notebook.run(CELLS[-1])  # the cell of the class again
    assert notebook.code().digest == before


def test_a_class_that_was_defined_again_is_not_taken_for_the_new_one(notebook: Notebook) -> None:
    old = notebook.main.Net()
    notebook.run(CELLS[-1].replace("+ OFFSET", "- OFFSET"))
    found = identity.describe(replace(small.experiment(), "model.encoder", old))
    assert found is not None and found.digest is None and found.unknown == ["__main__.Net"]


def test_a_session_that_keeps_no_source_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(OWN.partition("nets = ")[0].replace("import layers\n", ""), vars(main))
    found = identity.describe(replace(small.experiment(), "model.encoder", main.Net()))
    assert found is not None and found.digest is None and found.unknown == ["__main__.Net"]


def test_imports_are_read_as_dotted_names() -> None:
    table = parse(("import a.b\nimport a.b as c\nfrom a import b as d\nfrom . import e\nfrom x import *\n",))
    assert {name: found.dotted for name, (found, _) in table.imports.items()} == {
        "a": "a",
        "c": "a.b",
        "d": "a.b",
        "e": "..e",
        "*": "x.*",
    }
    assert table.stars[0][0] == Import("x")


@pytest.mark.slow
def test_what_was_traced_from_code_of_before_is_traced_again(notebook: Notebook) -> None:
    """The class is the same object: jax would take the program that read the old constant."""

    def error() -> float:
        nets = {"encoder": notebook.main.Net(), "decoder": notebook.main.Net()}
        one = small.experiment(jaxae.AE(**nets, latent_dim=2), epochs=1)
        return jaxae.fit(one, small.images()).scores["test"]["squared_error"]

    before = error()
    notebook.run("OFFSET = 5.0")
    assert error() > before + 10, "an output that is 4.5 too high in each of 16 pixels"
