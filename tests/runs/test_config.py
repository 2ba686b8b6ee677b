import sys
from pathlib import Path

import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs import config
from tests import small

ONE = "import jaxae\nexperiment = jaxae.Experiment(epochs=7)\n"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.py").write_text(ONE)
    return tmp_path / "configs" / "mine.py"


@pytest.mark.parametrize("name", ["mine", "mine.py", "configs/mine.py", "./configs/mine.py"])
def test_a_config_by_its_bare_name_or_path(name: str, mine: Path) -> None:
    assert jaxae.load_config(name).epochs == 7
    assert jaxae.load_config(str(mine)).epochs == 7


def test_ones_own_configs_come_before_jaxaes(mine: Path) -> None:
    assert {"mine", "vae_digits"} <= set(config.names())
    assert jaxae.load_config("vae_digits").epochs != 7
    mine.with_name("vae_digits.py").write_text(ONE)
    assert jaxae.load_config("vae_digits").epochs == 7


def test_a_file_here_comes_before_a_bare_name(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ONE.replace("7", "8"))
    assert jaxae.load_config("mine.py").epochs == 8 and jaxae.load_config("mine").epochs == 7


def test_the_experiment_of_a_run_and_of_its_record(tmp_path: Path) -> None:
    done = jaxae.fit(small.experiment(epochs=1), small.images(), run_dir="run")
    for name in ("run", "run/record.json", str(tmp_path / "run")):
        assert jaxae.load_config(name) == done.experiment


@pytest.mark.parametrize("name", ["", "/", "..", ".", "nope", "nope.py", "a\0b", "configs", "configs/"])
def test_what_is_no_config_is_named(name: str, mine: Path) -> None:
    with pytest.raises(JaxaeError, match="no such config; .*mine.*vae_digits"):
        jaxae.load_config(name)


@pytest.mark.parametrize(
    "source, told",
    [
        ("x = 1\n", "must define `experiment`, a jaxae.Experiment; found nothing by that name"),
        ("experiment = 3", "found int"),
        ("def f(:\n", "mine.py:1: SyntaxError"),
        ("\n\nraise KeyError('a')\n", "mine.py:3: KeyError: 'a'"),
        ("import helper\n", "mine.py:1: ZeroDivisionError"),  # the line of the config, not of what it calls
        ("import broken\n", "mine.py:1: SyntaxError"),
        ("import jaxae\njaxae.load_config('nope')\n", "mine.py:2: nope: no such config"),
        ("raise SystemExit\n", "mine.py:1: SystemExit: no message"),
        ("a\0b", "mine.py: SyntaxError"),
        ("import jaxae\njaxae.MLP(width=3)\n", "unexpected keyword argument 'width'; did you mean 'widths'"),
    ],
)
def test_a_mistake_in_a_config_is_told_with_its_line(source: str, told: str, mine: Path) -> None:
    mine.with_name("helper.py").write_text("def f():\n\n    return 1 / 0\n\n\nf()\n")
    mine.with_name("broken.py").write_text("\n\n\n(\n")
    mine.write_text(source)
    with pytest.raises(JaxaeError) as error:
        jaxae.load_config("mine")
    assert (
        told in str(error.value)
        and str(error.value).startswith("configs/mine.py")
        and "\n" not in str(error.value)
    )
    assert str(mine.parent) not in sys.path


def test_ctrl_c_in_a_config_is_no_mistake_of_the_config(mine: Path) -> None:
    mine.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        jaxae.load_config("mine")


def test_a_config_is_read_from_its_source_and_leaves_no_bytecode(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for number in range(5, 9):
        mine.write_text(ONE.replace("7", str(number)))
        assert jaxae.load_config("mine").epochs == number
    assert [path.name for path in mine.parent.iterdir()] == ["mine.py"]


def test_a_config_that_cannot_be_executed_by_its_kind(mine: Path) -> None:
    mine.with_suffix(".toml").write_text("epochs = 7\n")
    with pytest.raises(JaxaeError, match=r"mine.toml: is not a config; expected a .py or .yaml file,"):
        jaxae.load_config("configs/mine.toml")
    with pytest.raises(JaxaeError, match="gone.py: not found"):
        config.execute(Path("gone.py"))
