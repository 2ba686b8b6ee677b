"""Help and mistakes without jax: the same words as from the command itself, and never from a stale cache."""

import subprocess
import sys
from pathlib import Path

import pytest

from jaxae.cli import config_text, describe, outlines, quick
from jaxae.cli.main import run
from jaxae.runs import config, config_files
from tests.cli import calling
from tests.cli.calling import CONFIG, Called

LINES = [
    "show",
    "train --help",
    "train small.py -h",
    "train small.py --optimizer SGD --model.beta Linear --model BetaTCVAE -h",
    "show small.py --early-stopping.patience=3 -h",
    "show small.py --model Stacked --model.stages.1=TopKAE --help",
    "train vq_vae_digits --epoch 3 --batch_size ten --help",
    "sweep token_prior_digits --model.condition Labels --help",
    "sweep --help",
    "resume --help",
    "sample -h",
    "train nope",
    "train small.py --lr 3",
    "train small.py --model.betta 3",
    "train small.py --model.beta.steps 3",
    "train small.py --optimizer SGD --optimizer.b1 3",
    "train small.py --early_stopping None --early_stopping.patience 5",
    "train small.py --epochs 3 --epochs 4",
    "train small.py --over model.beta=1",
    "sweep vae_digits --ovr model.beta=1",
    "show small.py 5",
    "train small.py --autoencoder.beta 3",
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that knows all commands, as it is after a first help of each."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        for command in ("train", "sweep", "show", "resume", "sample"):
            calling.call(command, "--help")
        describe.keep()
        [file] = folder.glob("jaxae/outlines-*.json")
    return file


@pytest.fixture(autouse=True)
def _in_use(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[1]))
    # Configs that other tests executed here would offer their classes in the help.
    for name in filter(config.is_config, list(sys.modules)):
        monkeypatch.delitem(sys.modules, name)


def call_quickly(line: str, monkeypatch: pytest.MonkeyPatch) -> Called:
    """The command, which may only answer quickly."""
    with monkeypatch.context() as patch:
        patch.setattr(calling, "run_command", lambda arguments: run(arguments, quick=True))
        patch.setattr("importlib.import_module", lambda name: pytest.fail(f"{name} was imported"))
        return calling.call(*line.split())


@pytest.mark.parametrize("line", LINES)
def test_a_quick_answer_is_that_of_the_command(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call_quickly(line, monkeypatch) == calling.call(*line.split())


def test_what_is_right_or_cannot_be_known_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import jaxae\nimport os\n" + CONFIG)
    (tmp_path / "wrong.py").write_text(CONFIG.replace("epochs", "epoch"))
    for line in ("train small.py --epochs 3", "train own.py --lr 3", "train wrong.py --help"):
        name, *arguments = line.split()
        assert quick.answer(name, arguments, f"{name} CONFIG") is None, line
    assert quick.answer("resume", ["nope", "--lr", "3"], "resume RUN") is None
    assert quick.answer("train", ["small.py", "--config", "own.py", "--help"], "train CONFIG") is None


def test_no_answer_comes_from_other_sources_or_a_broken_file(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outlines.load() is not None
    whole = cache.read_text()
    for broken in ("", "[]", "{}", whole[:-200], whole.replace('"source": "', '"source": "0')):
        cache.write_text(broken)
        assert outlines.load() is None
    cache.write_text(whole)
    monkeypatch.setattr(outlines, "_PACKAGE", Path(__file__).parent)
    assert outlines.load() is None


def test_simple_configs_are_read_as_they_execute() -> None:
    held = outlines.load()
    assert held is not None
    records = {name: config_text.read(config_files.find(name), held[0]) for name in config_files.names()}
    simple = {name: record for name, record in records.items() if record is not None}
    assert len(simple) > 40
    for name, record in simple.items():
        table, [executed] = describe.outlines_of(config_files_experiment(name))
        assert plain(record, held[0]) == plain(executed, table), name


def config_files_experiment(name: str) -> object:
    import jaxae

    return jaxae.load_config(name)


def plain(record: dict, table: object) -> list[tuple[str, object]]:
    """Every field with its value, or the class of a part."""
    parts = outlines.parts(record, table)  # type: ignore[arg-type]
    return [(path, value["class"] if isinstance(value, dict) else value) for path, _, value in parts]


@pytest.mark.parametrize(
    "text",
    [
        "import os\nimport jaxae\nexperiment = jaxae.Experiment()",
        "import jaxae\nexperiment = jaxae.load_config('vae_digits')",
        "import jaxae\nexperiment = jaxae.Experiment(epochs=len('abc'))",
        "import jaxae\nexperiment = jaxae.Experiment(epochs=1 // 0)",
        "import jaxae\nexperiment = jaxae.Experiment(**{})",
        "import jaxae\nif True:\n    experiment = jaxae.Experiment()",
        "import jaxae\nexperiment = jaxae.Experiment()\nexperiment.epochs = 3",
        "import jaxae\nexperiment = (",
        "experiment = 3",
    ],
)
def test_other_configs_are_not_guessed(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(text)
    held = outlines.load()
    assert held is not None and config_text.read(tmp_path / "config.py", held[0]) is None


def test_training_imports_no_package_that_it_does_not_need(tmp_path: Path) -> None:
    """scikit-learn alone, for the digits, would take 1.4 of 4 CPU seconds."""
    heavy = ("sklearn", "scipy", "pandas", "pyarrow", "skimage", "grain", "tensorflow", "torch", "ray")
    code = "import sys\nfrom jaxae.cli.main import run\ncode = run(sys.argv[1:])\n"
    code += f"print(code, [name for name in {heavy} if name in sys.modules])"
    (tmp_path / "own.py").write_text(
        "import jaxae\n"
        "net = jaxae.MLP(widths=(8,))\n"
        "experiment = jaxae.Experiment(model=jaxae.AE(encoder=net, decoder=net, latent_dim=3), epochs=1)\n"
    )
    line = ["train", "own.py", "--run-dir", "run"]
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert (tmp_path / "run" / "figures" / "codes.png").exists()


def test_no_heavy_package_is_imported() -> None:
    code = "import sys\nfrom jaxae.cli.main import run\n"
    code += "codes = [run(line.split(), quick=True) for line in sys.argv[1:]]\n"
    code += "print(codes, [name for name in ('jax', 'numpy', 'flax', 'pydantic') if name in sys.modules])"
    lines = ["--help", "show", "train --help", "train small.py --lr 3", "trian", "train nope"]
    done = subprocess.run([sys.executable, "-c", code, *lines], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 2, 2, 2] []"
