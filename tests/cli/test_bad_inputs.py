"""Mistakes as a new user makes them: each is told in one line with exit code 2, and leaves nothing behind."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs import directory, seals
from tests.cli.calling import CONFIG, call, contents

Setup = Callable[[Path], Any]
HEAD = "import jaxae\nexperiment = jaxae.Experiment("


def check(arguments: list[str], told: list[str], folder: Path) -> None:
    """Calls the command and checks the contract of a mistake; `told` must stand in the line."""
    before = contents(folder)
    called = call(*arguments)
    assert called.code == 2, called
    assert called.err.startswith("jaxae: ") and called.err.count("\n") == 1, called.err
    assert "Traceback" not in called.out + called.err and called.out == ""
    for words in told:
        assert words in called.err
    assert contents(folder) == before


COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "no command": ([], ["a command is missing", "train, sweep, resume"]),
    "mistyped command": (["trian", "small.py"], ["trian", "did you mean 'train'"]),
    "an option for a command": (["--epochs", "3"], ["--epochs", "valid: accept, compare, completion, data"]),
    "train nothing": (["train"], ["the config comes first", "jaxae show"]),
    "resume nothing": (["resume"], ["the run comes first"]),
    "evaluate nothing": (["evaluate", "--num_samples", "3"], ["the run comes first"]),
    "show nothing": (["show", "--config", "x"], ["the config or run comes first"]),
    "data nothing": (["data"], ["a command is missing", "prepare"]),
    "mistyped data command": (["data", "lst"], ["did you mean 'list'"]),
    "data show nothing": (["data", "show"], ["the name comes first"]),
    "data show unknown": (["data", "show", "digit"], ["'digit'", "digits"]),
    "data prepare from nowhere": (["data", "prepare", "mine"], ["--from FOLDER is missing"]),
    "data prepare without folder": (["data", "prepare", "mine", "--from"], ["--from: a value is missing"]),
    "data prepare from a missing folder": (["data", "prepare", "mine", "--from", "nope"], ["'nope'"]),
    "data list of what": (["data", "list", "mnist"], ["mnist: is not an option"]),
    "mistyped config": (["train", "vae_digit"], ["vae_digit", "did you mean 'vae_digits'"]),
    "missing config": (["train", "nope.py"], ["nope.py: no such config"]),
    "missing config in a folder": (["train", "configs/nope.py"], ["configs/nope.py: no such config"]),
    "empty name": (["train", ""], ["no such config"]),
    "a folder": (["train", "/"], ["/: no such config"]),
    "a name that no file can have": (["train", "x" * 300], ["xxx", "File name too long"]),
    "a run that is none": (["resume", "nope"], ["nope: no such run"]),
    "a file for a run": (["resume", "small.py"], ["small.py: no such run"]),
    "a folder without a record": (["resume", "."], ["record.json: not found"]),
    "a run's name too long": (["evaluate", "x" * 300], ["File name too long"]),
    "show unknown": (["show", "nope"], ["nope: no such config"]),
    "show with a missing config": (["show", "small.py", "--config", "no.py"], ["no.py: no such config"]),
    "show with no config": (["show", "small.py", "--config"], ["--config: a value is missing"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_and_names(name: str, tmp_path: Path) -> None:
    check(*COMMANDS[name], tmp_path)


OPTIONS: dict[str, tuple[str, list[str]]] = {
    "mistyped": ("--epoch 3", ["--epoch:", "did you mean '--epochs'"]),
    "mistyped deep inside": ("--model.betta 2", ["--model.betta", "VAE", "did you mean 'beta'"]),
    "of another class": ("--optimizer SGD --optimizer.b1 0.3", ["--optimizer.b1", "SGD", "momentum"]),
    "of a class without any": ("--model.likelihood.std 3", ["Bernoulli", "no options"]),
    "no whole number": ("--batch_size ten", ["--batch_size: got 'ten'", "a whole number (> 0)"]),
    "a fraction": ("--batch_size 3.5", ["got '3.5'", "a whole number"]),
    "an exponent": ("--epochs 1e2", ["--epochs: got '1e2'", "a whole number"]),
    "zero": ("--batch_size 0", ["batch_size: got 0", "greater than 0"]),
    "negative": ("--epochs -1", ["epochs: got -1", "greater than 0"]),
    "empty": ("--epochs=", ["--epochs: got ''", "a whole number"]),
    "without value": ("--epochs", ["--epochs: a value is missing", "a whole number (> 0)"]),
    "without value before another": ("--epochs --seed 3", ["--epochs: a value is missing"]),
    "given twice": ("--epochs 3 --epochs 5", ["--epochs: given twice (3 and 5)"]),
    "with too many values": ("--epochs 3 5", ["--epochs: got '3 5'"]),
    "nan": ("--model.beta nan", ["model.beta: got nan", "finite"]),
    "infinite": ("--model.beta 1e400", ["model.beta: got inf", "finite"]),
    "no number": ("--model.beta big", ["got 'big'", "a number (>= 0)", "Linear"]),
    "below its range": ("--model.beta -0.5", ["model.beta: got -0.5", "0"]),
    "above its range": ("--ema_decay 1", ["ema_decay: got 1.0", "less than 1"]),
    "neither number nor None": ("--clip_norm big", ["--clip_norm: got 'big'", "a number (> 0) or None"]),
    "a mistyped class": ("--optimizer Adm", ["--optimizer: got 'Adm'", "did you mean 'Adam'"]),
    "a mistyped schedule": ("--model.beta Liner", ["got 'Liner'", "did you mean 'Linear'"]),
    "a class of another kind": ("--optimizer VAE", ["--optimizer: got VAE, expected Optimizer", "Adam"]),
    "a class without value": ("--optimizer", ["--optimizer: a value is missing", "Adam"]),
    "a class that needs a number": ("--model.beta Linear", ["--model.beta.steps", "missing"]),
    "a part that cannot be None": ("--model None", ["--model: got 'None'", "VAE"]),
    "a mistyped choice": ("--data.binarize dynamik", ["got 'dynamik'", "none, dynamic, static, threshold"]),
    "another precision": ("--compute_dtype float16", ["got 'float16'", "float32, bfloat16"]),
    "no truth value": ("--data.stream maybe", ["--data.stream: got 'maybe'", "True or False"]),
    "words for widths": ("--model.encoder.widths a b", ["got 'a b'", "whole numbers (> 0)"]),
    "a width of zero": ("--model.encoder.widths 8 0", ["model.encoder.widths[1]", "0"]),
    "an unknown activation": ("--model.encoder.activation tanhh", ["got 'tanhh'", "tanh"]),
    "a seed that is none": ("--seed abc", ["--seed: got 'abc'", "a whole number"]),
    "a negative seed": ("--seed -1", ["seed: got -1", "from 0 to 4294967295"]),
    "a seed too large": ("--seed 4294967296", ["seed: got 4294967296", "from 0 to 4294967295"]),
    "a stray word": ("5", ["5: is not an option"]),
    "a short option": ("-e 5", ["-e: is not an option"]),
    "a batch larger than the data": ("--batch_size 5000", ["batch_size: got 5000", "1597 training rows"]),
    "more held out than there is": ("--data.num_test 1797", ["1797", "data.num_test"]),
    "no rows to stop early by": ("--early_stopping.patience 3 --data.num_validation 0", ["early_stopping"]),
    "another shape than the data's": ("--model.data_shape 9 9 1", ["(9, 9, 1)", "(8, 8, 1)"]),
    "a net larger than the disk": ("--model.latent_dim 1000000000000", ["MiB are free"]),
    "more epochs than are counted": ("--epochs 3000000000", ["epochs: got 3000000000", "at most"]),
    "unknown data": ("--data.name digit", ["'digit'", "digits"]),
    "a missing file": ("--data.name x.npy", ["'x.npy'", "no such file"]),
    "a missing folder": ("--data.name mnist --data.folder nope", ["train-images-idx3-ubyte", "nope"]),
    "an unprepared data set": ("--data.name tfds:nope --data.folder .", ["tfds:nope: not prepared"]),
    "a run in a file": ("--run-dir small.py", ["small.py", "is a file"]),
    "a run below a file": ("--run-dir small.py/x", ["small.py is a file"]),
    "a run's name too long": (f"--run-dir {'x' * 300}", ["File name too long"]),
    "a run in a folder in use": ("--run-dir .", ["--run-dir .", "not empty"]),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_train(name: str, tmp_path: Path) -> None:
    options, told = OPTIONS[name]
    check(["train", "small.py", *options.split(" ")], told, tmp_path)


CONFIGS: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["must define `experiment`", "nothing by that name"]),
    "of another type": ("experiment = {'epochs': 3}", ["must define `experiment`", "found dict"]),
    "a class": ("import jaxae\nexperiment = jaxae.Experiment", ["found type"]),
    "a syntax error": ("x = (\n", [":1: SyntaxError"]),
    "an exception": ("x = 3\n1 / 0\n", [":2: ZeroDivisionError: division by zero"]),
    "of several lines": ("raise ValueError('a\\nb')", [":1: ValueError: a"]),
    "without message": ("raise ValueError()", [":1: ValueError: no message"]),
    "an exit": ("import sys\nsys.exit(3)", [":2: SystemExit: 3"]),
    "endless": ("def f(): f()\nf()", [":1: RecursionError"]),
    "a missing module": ("import numpyy", [":1: ModuleNotFoundError", "numpyy"]),
    "a mistyped name": ("import jaxae\njaxae.VEA()", [":2: AttributeError", "VEA"]),
    "a mistyped field": (f"{HEAD}optimzer=jaxae.Adam())", [":2: TypeError", "did you mean 'optimizer'"]),
    "a mistyped field inside": (f"{HEAD}model=jaxae.VAE(latent=3))", ["did you mean 'latent_dim'"]),
    "a position": (f"{HEAD}3)", [":2: TypeError"]),
    "out of range": (f"{HEAD}batch_size=-1)", [".py: batch_size: got -1", "greater than 0"]),
    "of a wrong type": (f"{HEAD}epochs='ten')", [".py: epochs: got 'ten'", "integer"]),
    "a list for a tuple": (
        f"{HEAD}model=jaxae.AE(encoder=jaxae.MLP(widths=[3])))",
        ["model.encoder.widths: got [3]", "tuple"],
    ),
    "another part": (f"{HEAD}model=jaxae.Adam())", ["model: got Adam", "Model"]),
    "no part": (f"{HEAD}model=None)", ["model: got None"]),
    "a class for a part": (f"{HEAD}model=jaxae.VAE)", ["model", "expected Model"]),
    "an array for a number": (f"import numpy\n{HEAD}clip_norm=numpy.ones(3))", ["clip_norm"]),
    "a rate of nan": (f"{HEAD}clip_norm=float('nan'))", ["clip_norm: got nan", "finite"]),
    "bytes": (b"\xff\xfe\x00\x01", [": SyntaxError"]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configs(name: str, tmp_path: Path) -> None:
    source, told = CONFIGS[name]
    (tmp_path / "mine.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    check(["train", "mine.py"], ["mine.py", *told], tmp_path)


@pytest.mark.parametrize("name", ["mine.toml", "mine.txt", "mine"])
def test_files_that_are_no_config(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("epochs: 3")
    check(["train", name], [f"{name}: is not a config", ".py"], tmp_path)


def changed(path: str, value: Any) -> Setup:
    """Sets (or with `...` deletes) what a dotted path of run/record.json leads to."""

    def change(folder: Path) -> None:
        file = folder / "run" / "record.json"
        record = node = seals.read(file)
        *heads, last = path.split(".")
        for head in heads:
            node = node[head]
        node[last] = value
        if value is ...:
            del node[last]
        directory.write_json(file, record)

    return change


def written(content: str | bytes) -> Setup:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / "run" / "record.json").write_bytes(data)


def replaced(old: str, new: str) -> Setup:
    def change(folder: Path) -> None:
        file = folder / "run" / "record.json"
        # Without the digest and its comma; a new one is written.
        text = file.read_text().rpartition(',\n  "digest"')[0] + "\n}"
        assert old in text
        file.write_text(seals.seal(text.replace(old, new, 1)))

    return change


def truncated(folder: Path) -> None:
    file = folder / "run" / "record.json"
    file.write_bytes(file.read_bytes()[:300])


RECORDS: dict[str, tuple[Setup, list[str]]] = {
    "truncated": (truncated, ["is not valid JSON"]),
    "empty": (written(""), ["is not valid JSON"]),
    "binary": (written(b"\xff\xfe\x00"), ["cannot be read"]),
    "nested without end": (written("[" * 100_000), ["is not valid JSON"]),
    "a list": (written("[]"), ["is not a record of a run"]),
    "a number": (written("3"), ["is not a record of a run"]),
    "a key twice": (replaced('"seed": 0', '"seed": 0, "seed": 1'), ["the key 'seed' appears twice"]),
    "a huge number": (replaced('"seed": 0', f'"seed": {"9" * 5000}'), ["is not valid JSON"]),
    "nan": (replaced('"beta": 1.0', '"beta": NaN'), ["model.beta: got nan", "finite"]),
    "a future format": (changed("format", 4), ["has format 4, this version reads 1, 2, 3"]),
    "no format": (changed("format", ...), ["has format None"]),
    "no seed": (changed("seed", ...), ["seed: got None", "a whole number"]),
    "a seed of a wrong type": (changed("seed", True), ["seed: got True"]),
    "no experiment": (changed("experiment", ...), ["'experiment' is missing"]),
    "an experiment that is none": (changed("experiment", "vae"), ["'experiment' is missing"]),
    "no data hash": (changed("data_hash", ...), ["data_hash: got None"]),
    "versions that are none": (changed("versions", 3), ["versions: got 3"]),
    "an unknown key": (
        changed("experiment.model.betta", 1.0),
        ["model.betta: unknown key of VAE"],
    ),
    "an unknown class": (changed("experiment.model.class", "mine.VAE"), ["mine.VAE", "--config"]),
    "no class": (changed("experiment.model.class", ...), ["model: the key 'class' is missing"]),
    "code for a class": (changed("experiment.model.class", "os.system"), ["unknown class os.system"]),
    "a class out of place": (changed("experiment.optimizer.class", "jaxae.nets.MLP"), ["optimizer"]),
    "a wrong type": (changed("experiment.batch_size", "100"), ["batch_size: got '100'", "integer"]),
    "a fraction": (changed("experiment.epochs", 3.5), ["epochs: got 3.5"]),
    "out of range": (changed("experiment.epochs", 0), ["epochs: got 0", "greater than 0"]),
    "no part": (changed("experiment.model", None), ["model: got None"]),
    "a schedule without its length": (
        changed("experiment.model.beta", {"class": "jaxae.schedules.Linear"}),
        ["Linear", "steps"],
    ),
    "another choice": (changed("experiment.data.binarize", "some"), ["data.binarize: got 'some'"]),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records(name: str, run: Path, tmp_path: Path) -> None:
    setup, told = RECORDS[name]
    setup(tmp_path)
    check(["resume", "run"], ["run/record.json", *told], tmp_path)
    if name in ("truncated", "an unknown class", "a future format"):  # read by the other commands as well
        check(["evaluate", "run"], told, tmp_path)
        check(["show", "run"], told, tmp_path)
        check(["train", "run/record.json", "--run-dir", "new"], told, tmp_path)


def saved(array: np.ndarray) -> Setup:
    return lambda folder: np.save(folder / "x.npy", array)


def cut(folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros((300, 8, 8)))
    os.truncate(folder / "x.npy", 999)


DATA: dict[str, tuple[Setup, list[str]]] = {
    "objects": (saved(np.array([{}, 1], dtype=object)), ["Python objects"]),
    "one dimension": (saved(np.zeros(5)), ["shape (5,)", "[N, D]"]),
    "no rows": (saved(np.zeros((0, 8, 8))), ["shape (0, 8, 8)"]),
    "five dimensions": (saved(np.zeros((300, 2, 2, 2, 2))), ["(300, 2, 2, 2, 2)"]),
    "nan": (saved(np.where(np.arange(1200).reshape(300, 4) == 7, np.nan, 0.5)), ["1 values", "row 1"]),
    "words": (saved(np.array([["a"] * 4] * 300)), ["dtype <U1"]),
    "complex numbers": (saved(np.zeros((300, 4), complex)), ["complex128"]),
    "cut off": (cut, ["cannot be read"]),
    "no numbers at all": (lambda folder: (folder / "x.npy").write_text("hello"), ["cannot be read"]),
    "empty": (lambda folder: (folder / "x.npy").write_text(""), ["cannot be read"]),
}


@pytest.mark.parametrize("name", DATA)
def test_data_files(name: str, tmp_path: Path) -> None:
    setup, told = DATA[name]
    setup(tmp_path)
    check(["train", "small.py", "--data.name", "x.npy"], ["x.npy", *told], tmp_path)


@pytest.mark.parametrize(
    "x, span",
    [
        (np.linspace(0, 5, 1200), "[0, 5]"),
        (np.full(1200, 300), "[300, 300]"),
        (-np.ones(1200, int), "[-1, -1]"),
    ],
)
def test_data_outside_of_the_likelihoods_support(x: np.ndarray, span: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", x.reshape(300, 4))
    told = ["model.likelihood: Bernoulli needs data in [0, 1]", f"it spans {span}"]
    check(["train", "small.py", "--data.name", "x.npy"], told, tmp_path)


def test_data_in_no_known_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_text("1,2\n")
    check(
        ["train", "small.py", "--data.name", "x.mat"], ["x.mat", ".npy, .npz", "scipy.io.loadmat"], tmp_path
    )


RUNS: dict[str, tuple[list[str], list[str]]] = {
    "train into a run": (
        ["train", "small.py", "--run-dir", "run"],
        ["holds a run already", "jaxae resume run"],
    ),
    "train into its checkpoints": (["train", "small.py", "--run-dir", "run/checkpoints"], ["not empty"]),
    "resume its record": (["resume", "run/record.json"], ["run/record.json: no such run"]),
    "resume with another experiment": (
        ["resume", "run", "--batch_size", "9"],
        ["--batch_size: unknown option"],
    ),
    "resume with no epochs": (["resume", "run", "--epochs", "0"], ["epochs: got 0"]),
    "resume with fewer epochs": (["resume", "run", "--epochs", "1"], ["epochs: got 1", "already"]),
    "resume with epochs and steps": (["resume", "run", "--epochs", "9", "--steps", "9"], ["both are given"]),
    "resume with a missing config": (["resume", "run", "--config", "nope.py"], ["nope.py: no such config"]),
    "evaluate with no samples": (["evaluate", "run", "--num_samples", "0"], ["num_samples: got 0"]),
    "evaluate with some samples": (
        ["evaluate", "run", "--num_samples", "some"],
        ["got 'some'", "whole number"],
    ),
    "evaluate with a mistyped option": (["evaluate", "run", "--num-sample", "3"], ["'--num_samples'"]),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs(name: str, run: Path, tmp_path: Path) -> None:
    check(*RUNS[name], tmp_path)


def test_data_that_changed_since_the_run(tmp_path: Path) -> None:
    rows = np.linspace(0, 1, 2400, dtype=np.float32).reshape(300, 8)
    np.save(tmp_path / "x.npy", rows)
    trained = ["train", "small.py", "--data.name", "x.npy", "--run-dir", "new", "--epochs", "1"]
    assert call(*trained, "--batch_size", "50").code == 0
    for command in ("resume", "evaluate"):
        np.save(tmp_path / "x.npy", rows / 2)
        check([command, "new"], ["new: the data has changed", "x.npy"], tmp_path)
        (tmp_path / "x.npy").unlink()
        check([command, "new"], ["new: its data cannot be read: there is no x.npy"], tmp_path)


def test_a_config_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, path: str) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("importlib.machinery.SourceFileLoader.get_data", refuse)
    check(["train", "small.py"], ["small.py", "Permission denied"], tmp_path)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    check(["train", "small.py"], ["runs/small-s0-", "cannot be made (Permission denied)"], tmp_path)
    check(["train", "small.py", "--run-dir", "new"], ["new: cannot be made (Permission denied)"], tmp_path)


def test_the_mistake_of_a_new_user_costs_no_second_look(tmp_path: Path) -> None:
    """The config of these tests itself is right."""
    (tmp_path / "mine.py").write_text(CONFIG)
    assert call("show", "mine.py").code == 0


@pytest.mark.parametrize(
    "error, told, absent",
    [
        (jaxae.OutOfMemory("the device's memory is full although ..."), "although ...", "batch_size"),
        (RuntimeError("RESOURCE_EXHAUSTED: no room"), "for training, lower batch_size or", "Traceback"),
    ],
)
def test_full_memory_is_one_line_that_names_what_helps(
    error: Exception, told: str, absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr("jaxae.cli.show_command.main", full)
    called = call("show")
    assert called.code == 1 and called.err.startswith("jaxae: the device's memory is full")
    assert told in called.err and absent not in called.err and called.err.count("\n") == 1


def test_an_argument_that_is_not_utf_8_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    for words in (["\udcff"], ["train", "vae_digits", "--run-dir", "run\udcff"], ["ls", "\udce9"]):
        called = call(*words)
        assert called.code == 2 and called.err.count("\n") == 1 and "expected UTF-8" in called.err, called
    assert contents(tmp_path) == before


def test_a_directory_that_is_not_utf_8_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """No file of a run could name it, and no checkpoint could be saved there."""
    folder, before = tmp_path / "runs\udcff", contents(tmp_path)
    experiment = jaxae.Experiment(model=jaxae.AE(latent_dim=2), epochs=1)
    for write in (
        lambda: jaxae.fit(experiment, run_dir=folder / "run"),
        lambda: jaxae.sweep(experiment, {"model.latent_dim": [1, 2]}, run_dir=folder / "sweep"),
        lambda: jaxae.load(folder / "run"),
        lambda: jaxae.load_sweep(folder / "sweep"),
    ):
        with pytest.raises(JaxaeError, match="the path is not UTF-8") as error:
            write()
        assert str(error.value).isprintable()
    assert contents(tmp_path) == before


def test_a_table_that_is_a_directory_is_refused_and_leaves_no_part(run: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    before = contents(tmp_path)
    with pytest.raises(OSError):
        directory.write_text(tmp_path / "t.csv", "text")
    assert contents(tmp_path) == before
    called = call("evaluate", "run", "--measures", "health", "--table", str(tmp_path / "t.csv"))
    assert called.code == 2 and "t.csv: is a directory, expected the name of a file" in called.err, called
