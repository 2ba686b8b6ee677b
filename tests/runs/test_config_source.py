"""Experiments as configs: what is printed defines the equal experiment, in Python and as YAML."""

import sys
from pathlib import Path

import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs import config_files, config_source
from jaxae.specs.records import validate
from tests import small
from tests.cli.calling import CONFIG, call

OWN = """\
import jaxae


@jaxae.spec
class Wave:
    period: float = 3.0

    def __call__(self, step, /):
        return self.period


experiment = jaxae.Experiment(model=jaxae.VAE(beta=Wave()))
"""


@pytest.mark.parametrize("name", config_files.names())
def test_every_config_is_written_and_read_back_equal(name: str) -> None:
    check(jaxae.load_config(name))


@pytest.mark.parametrize("name", small.MEMBERS)
def test_every_member_is_written_and_read_back_equal(name: str) -> None:
    check(jaxae.Experiment(model=small.member(name), clip_norm=1e-30, early_stopping=jaxae.EarlyStopping()))


def check(experiment: jaxae.Experiment) -> None:
    source = config_source.to_python(experiment)
    Path("written.py").write_text(source, encoding="utf-8")
    Path("written.yaml").write_text(config_source.to_yaml(experiment), encoding="utf-8")
    for file in ("written.py", "written.yaml"):
        read = validate(jaxae.load_config(file))
        # repr, since 1 == 1.0 == True: an equal text has the same types too.
        assert read == experiment and repr(read) == repr(experiment), file
    assert max(map(len, source.splitlines())) <= config_source.WIDTH


def test_train_and_sweep_print_the_experiment_with_the_options_applied() -> None:
    Path("small.py").write_text(CONFIG)
    options = ["--epochs", "7", "--model.beta", "Linear", "--model.beta.steps=9"]
    for command in ("train", "sweep"):
        for words in (["--print-config"], ["--print-config", "yaml"], ["--print-config=python"]):
            called = call(command, "small.py", *words, *options)
            assert called.code == 0 and called.err == "" and not Path("runs").exists(), called
            suffix = "yaml" if "yaml" in words else "py"
            Path(f"printed.{suffix}").write_text(called.out)
            experiment = jaxae.load_config(f"printed.{suffix}")
            beta = jaxae.schedules.Linear(steps=9.0)
            assert experiment.epochs == 7 and experiment.model.beta == beta  # type: ignore[attr-defined]
    assert call("sweep", "printed.yaml", "--dry-run", "--print-config").out == Path("printed.py").read_text()


def test_classes_of_a_config_are_imported_from_its_file() -> None:
    Path("waves.py").write_text(OWN)
    source = config_source.to_python(jaxae.load_config("waves.py"))
    assert source.startswith("import jaxae\nfrom waves import Wave\n\nexperiment = jaxae.Experiment(")
    Path("written.py").write_text(source)
    read = jaxae.load_config("written.py")
    assert read.model.beta.period == 3.0  # type: ignore[attr-defined]
    for name in ("waves", "jaxae_configs.waves", "jaxae_configs.written"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "mine.yaml: is not valid YAML"),
        ("epochs: 3", "mine.yaml: record: the key 'class' is missing"),
        ("- 1", "mine.yaml: "),
        (
            "class: jaxae.Experiment\nepocs: 3",
            "mine.yaml: epocs: unknown key of Experiment; did you mean 'epochs'",
        ),
        ("class: jaxae.Experiment\nepochs: 0", "mine.yaml: epochs: got 0"),
        ("!!python/object:os.system {}", "mine.yaml: is not valid YAML"),
    ],
)
def test_mistakes_in_yaml_name_the_file_and_the_field(text: str, message: str) -> None:
    Path("mine.yaml").write_text(text)
    with pytest.raises(JaxaeError, match=message):
        jaxae.load_config("mine.yaml")
