"""Each command where all goes well, and what it says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxae
from jaxae.cli import help_text, score_lines
from jaxae.nets import conv_layers
from jaxae.plots import pages
from jaxae.runs import directory, seals
from jaxae.specs.pytree import get, is_node, paths
from tests import small
from tests.cli.calling import CONFIG, Called, call, contents, ended, start

OWN = """\
import jax
import jax.numpy as jnp
from flax import linen as nn

import jaxae


class Encoder(nn.Module):
    width: int = 5

    @nn.compact
    def __call__(self, x, shape):
        return nn.Dense(shape[0])(jnp.tanh(nn.Dense(self.width)(x.reshape(len(x), -1))))


@jaxae.spec
class Half:
    '''Squared error at a share of the full weight.'''

    encoder: nn.Module = Encoder()
    decoder: nn.Module = jaxae.MLP(widths=())
    share: float = 0.5
    '''The weight of the error; 0 or more.'''
    data_shape: tuple[int, ...] = ()

    def init(self, key, batch):
        one, other = jax.random.split(key)
        encoder = self.encoder.init(one, batch.x, (3,))["params"]
        decoder = self.decoder.init(other, jnp.zeros((1, 3)), self.data_shape)["params"]
        return jaxae.Variables({"encoder": encoder, "decoder": decoder})

    def terms(self, variables, batch, key):
        mean = self.decode(variables, self.encode(variables, batch))["mean"]
        return {"distortion": ((mean - batch.x) ** 2).sum(axis=(1, 2, 3))}, ()

    def weights(self, step):
        return {"distortion": self.share}

    def encode(self, variables, batch):
        return self.encoder.apply({"params": variables.params["encoder"]}, batch.x, (3,))

    def decode(self, variables, z, y=()):
        return {"mean": self.decoder.apply({"params": variables.params["decoder"]}, z, self.data_shape)}

    def image(self, parameters):
        return parameters["mean"]


experiment = jaxae.Experiment(
    data=jaxae.DataSpec(num_validation=100, num_test=100),
    model=Half(encoder=Encoder(width=6)),
    batch_size=100,
    epochs=3,
    checkpoint_every=1,
)
"""


def scores(run: Path) -> dict:
    return seals.read(run / "scores.json")


def history(run: Path) -> list[dict]:
    lines = seals.read_lines(run / "history.jsonl", run)
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


# train


def test_train_writes_a_run_and_says_where(trained: tuple[Path, Called]) -> None:
    run, called = trained
    assert called.err == ""
    names = {path.name for path in run.iterdir()}
    assert names == {
        "record.json",
        "history.jsonl",
        "scores.json",
        "status.json",
        "checkpoints",
        "figures",
        "log.txt",
        ".lock",
    }
    assert {path.name for path in (run / "figures").iterdir()} == {
        "curves.png", "reconstructions.png", "samples.png", "codes.png",
    }  # fmt: skip
    assert [line["epoch"] for line in history(run)] == [1, 2, 3, 4]
    lines = called.out.splitlines()
    assert lines[0].startswith("digits: 1,597 train, 100 validation, 100 test")
    assert lines[2].startswith("device      cpu: ") and " core" in lines[2]
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1/4", "2/4", "3/4", "4/4"]
    assert f"run         {run.name}" in called.out and f"figures     {run.name}/figures" in called.out
    test = scores(run)["test"]
    assert f"elbo {test['elbo']:.3f} +- {test['elbo_standard_error']:.3f}" in called.out


def test_printed_parts_sum_to_the_printed_elbo_and_each_score_has_its_unit(
    trained: tuple[Path, Called], capsys: pytest.CaptureFixture[str]
) -> None:
    run, called = trained
    line = next(line for line in called.out.splitlines() if line.startswith("test"))
    told = {name: float(value) for name, value in re.findall(r"([a-z]\w*) (-?\d+\.\d+)", line)}
    assert {"iwelbo_64", "iwelbo_64_ess", "iwelbo_64_pareto_k", "iwelbo_64_unreliable"} <= set(told)
    assert told["elbo"] == pytest.approx(-told["distortion"] - told["rate"], abs=0.0016)  # three roundings
    assert scores(run)["units"]["elbo"] == "nats" and "unit" not in scores(run)
    assert "units       nats: distortion, elbo, iwelbo_64, rate; draws: iwelbo_64_ess" in called.out
    assert "; data unit squared, summed over an example: squared_error" in called.out
    plain = jaxae.fit(small.experiment(small.member("AE"), epochs=1), small.images())
    score_lines.print_scores(plain, Path("plain"))
    out = capsys.readouterr().out
    assert "data unit squared, summed over an example: distortion, squared_error" in out and "nats" not in out


def test_a_figure_that_fails_costs_no_score(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(codes: object) -> None:
        raise ValueError("no plane\nfor these")

    before = scores(run)
    (run / "scores.json").unlink()
    monkeypatch.setattr(pages, "planes", fail)
    called = call("resume", "run")
    assert called.code == 0 and scores(run) == before
    assert called.err.startswith("jaxae: warning: a figure failed with ValueError: no plane for these")
    assert called.err.count("\n") == 1 and "Traceback" in (run / "log.txt").read_text()


def test_a_line_for_each_epoch_tells_terms_speed_and_time(trained: tuple[Path, Called]) -> None:
    run, called = trained
    line = next(line for line in called.out.splitlines() if line.startswith("epoch 2/4"))
    told = history(run)[1]
    for name in ("distortion", "rate"):
        assert f"{name} {told['train'][name]:.2f}" in line
    assert f"validation loss {told['validation']['loss']:.2f}" in line
    assert "examples/s" in line and "left 0:00:0" in line
    assert (run / "log.txt").read_text().splitlines()[1] == f"{line}  saved epoch 2"


def test_the_record_tells_what_was_run(trained: tuple[Path, Called]) -> None:
    record = seals.read(trained[0] / "record.json")
    assert record["command"] == ["jaxae", "train", "small.py", "--run-dir", "run"]
    assert record["seed"] == 0 and record["name"] == "small" and len(record["data_hash"]) == 64
    assert record["experiment"]["model"]["data_shape"] == [8, 8, 1]


def test_options_change_the_experiment() -> None:
    schedule = ["--model.beta", "Linear", "--model.beta.steps=9"]
    called = call(
        "train", "small.py", *schedule, "--seed", "7", "--optimizer=SGD", "--epochs=1", "--run-dir", "new"
    )
    assert called.code == 0, called
    record = seals.read(Path("new/record.json"))
    assert record["experiment"]["model"]["beta"]["steps"] == 9.0 and record["seed"] == 7
    assert record["experiment"]["optimizer"]["class"].endswith("SGD")
    assert len(history(Path("new"))) == 1


@pytest.mark.slow
def test_options_reach_into_a_tuple_of_parts() -> None:
    """A stack trained, resumed from its record, and a mistake in one of its stages."""
    Path("stack.py").write_text(
        "import jaxae\nexperiment = jaxae.Experiment(model=jaxae.Stacked(\n"
        "    stages=(jaxae.DenoisingAE(latent_dim=5), jaxae.AE(latent_dim=3)), stage_steps=10.0))\n"
    )
    stages = ["--model.stages.0.corruption.rate", "0.4", "--model.stages.1", "TopKAE"]
    called = call(
        "train", "stack.py", *stages, "--model.stages.1.k", "2", "--epochs", "2", "--run-dir", "run"
    )
    assert called.code == 0, called
    first, second = seals.read(Path("run/record.json"))["experiment"]["model"]["stages"]
    assert first["corruption"]["rate"] == 0.4 and second["class"].endswith("TopKAE") and second["k"] == 2
    assert call("train", "run/record.json", "--run-dir", "again").code == 0
    assert scores(Path("again")) == scores(Path("run"))
    called = call("train", "stack.py", "--model.stages.1.latentdim", "3")
    assert called.code == 2 and "latent_dim" in called.err and called.err.count("\n") == 1, called
    called = call("train", "stack.py", "--model.stages", "AE", "Dense")
    assert called.code == 2 and called.err.count("\n") == 1, called


def test_a_record_runs_again_to_the_same_bits(run: Path) -> None:
    assert call("train", "run/record.json", "--run-dir", "again").code == 0
    again = Path("again")
    assert scores(again) == scores(run) and history(again) == history(run)
    assert small.same_bits(jaxae.load(again).outcome.carry, jaxae.load(run).outcome.carry)


def test_a_record_brings_its_seed_and_an_option_another(run: Path) -> None:
    assert call("train", "run", "--seed=4", "--epochs", "1", "--run-dir", "four").code == 0
    assert call("train", "four/record.json", "--run-dir", "again").code == 0
    for name in ("four", "again"):
        assert seals.read(Path(name, "record.json"))["seed"] == 4
    assert scores(Path("again")) == scores(Path("four"))


@pytest.mark.slow
def test_a_record_whose_data_changed_says_so(tmp_path: Path) -> None:
    rows = np.linspace(0, 1, 2400, dtype=np.float32).reshape(300, 8)
    np.save(tmp_path / "x.npy", rows)
    given = ["--data.name", "x.npy", "--epochs", "1", "--batch_size", "50"]
    assert call("train", "small.py", *given, "--run-dir", "new").err == ""
    np.save(tmp_path / "x.npy", rows / 2)
    called = call("train", "new", "--run-dir", "again")
    assert called.code == 0 and called.err.count("\n") == 1
    assert called.err.startswith("jaxae: warning: the data differs from the data of new (x.npy: 100 train")


def test_two_runs_of_one_name_get_two_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        assert call("train", "small.py", "--epochs", "1").code == 0
    assert len(list(Path("runs").iterdir())) == 2


def test_an_edit_within_the_second_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's bytecode would not notice: the same length, the same second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for width in (3, 4, 5):
        (tmp_path / "mine.py").write_text(CONFIG.replace("widths=(8,)", f"widths=({width},)"))
        assert f"model.encoder.widths = ({width},)" in call("show", "mine.py").out
    assert not (tmp_path / "__pycache__").exists()


def test_a_config_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "beside.py").write_text("WIDTH = 6\n")
    text = CONFIG.replace("import jaxae\n", "import jaxae\nimport beside\n").replace(
        "(8,)", "(beside.WIDTH,)"
    )
    (tmp_path / "elsewhere" / "mine.py").write_text(text)
    assert "model.encoder.widths = (6,)" in call("show", "elsewhere/mine.py").out


@pytest.mark.parametrize("value", ["numpy.float32(0.5)", "numpy.float64(0.5)", "jax.numpy.float32(0.5)"])
def test_a_number_from_numpy_or_jax_in_a_config_is_a_number_or_a_mistake(value: str, tmp_path: Path) -> None:
    text = CONFIG.replace("import jaxae\n", "import jax\nimport numpy\nimport jaxae\n")
    (tmp_path / "mine.py").write_text(text.replace("latent_dim=2", f"latent_dim=2, beta={value}"))
    called = call("train", "mine.py", "--epochs", "1", "--run-dir", "new")
    if called.code == 0:
        assert seals.read(Path("new/record.json"))["experiment"]["model"]["beta"] == 0.5
    else:
        assert called.code == 2 and "model.beta: got" in called.err and called.err.count("\n") == 1
        assert not Path("new").exists()


def test_a_run_that_diverges_is_told_in_one_line_and_stays_so() -> None:
    called = call("train", "small.py", "--optimizer.learning_rate", "1e30", "--run-dir", "new")
    assert called.code == 1 and called.err.count("\n") == 1, called
    assert called.err.startswith("jaxae: diverged at step ") and not Path("new/scores.json").exists()
    before = contents(Path("new/checkpoints"))
    again = call("resume", "new")
    assert again.code == 1 and "the run cannot be trained further" in again.err, again
    assert contents(Path("new/checkpoints")) == before


# resume


def test_resume_of_a_finished_run_says_so_and_changes_nothing(run: Path) -> None:
    before = contents(run)
    assert call("resume", "run") == (0, "run is already finished\n", "")
    assert contents(run) == before


@pytest.mark.parametrize("kept", [0, 3])
def test_resume_goes_on_from_the_newest_checkpoint_or_the_start(kept: int, run: Path, tmp_path: Path) -> None:
    expected = shutil.copytree(run, tmp_path / "expected")
    (run / "scores.json").unlink()
    for folder in (run / "checkpoints").iterdir():
        if int(folder.name) > kept:
            shutil.rmtree(folder)
    with open(run / "history.jsonl", "a") as file:
        file.write('{"epoch": 5, "tra')  # torn by a kill
    called = call("resume", "run")
    assert called.code == 0 and called.err == "", called
    assert scores(run) == scores(expected) and history(run) == history(expected)
    assert small.same_bits(jaxae.load(run).outcome.carry, jaxae.load(expected).outcome.carry)
    told = [line.split()[1] for line in called.out.splitlines() if line.startswith("epoch")]
    assert told == [f"{number}/4" for number in range(kept + 1, 5)]


def test_resume_after_the_last_epoch_only_scores(run: Path) -> None:
    expected = scores(run)
    (run / "scores.json").unlink()
    called = call("resume", "run")
    assert called.code == 0 and "epoch 4/4" not in called.out and scores(run) == expected
    assert called.out.startswith("device      cpu: ")


def corrupt(checkpoint: Path) -> None:
    """Damages the largest file of array data."""
    file = max(
        (path for path in checkpoint.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_resume_falls_back_past_a_corrupted_checkpoint_and_ends_the_same(run: Path, tmp_path: Path) -> None:
    expected = shutil.copytree(run, tmp_path / "expected")
    (run / "scores.json").unlink()
    corrupt(run / "checkpoints" / "4")
    called = call("resume", "run")
    assert called.code == 0 and called.err.count("\n") == 1, called
    assert called.err.startswith("jaxae: warning: checkpoint run/checkpoints/4 is damaged (")
    assert called.err.endswith("using epoch 3 instead\n")
    assert called.err.removeprefix("jaxae: ") in (run / "log.txt").read_text()
    assert small.same_bits(jaxae.load(run).outcome.carry, jaxae.load(expected).outcome.carry)
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["3", "4", "4.bad-1"]  # set aside, not deleted


@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_without_a_whole_checkpoint_there_is_no_going_on(command: str, run: Path) -> None:
    (run / "scores.json").unlink()
    for folder in (run / "checkpoints").iterdir():
        corrupt(folder)
    before = contents(run / "checkpoints"), history(run)
    called = call(command, "run")
    assert called.code == 2 and called.err.count("\n") == 1, called
    assert "checkpoint run/checkpoints/4 is damaged" in called.err and "no older one" in called.err
    assert (contents(run / "checkpoints"), history(run)) == before


@pytest.mark.parametrize("path, value", [("beta", 2.0), ("beta", ...), ("latent_dim", 3)])
def test_resume_refuses_a_record_that_was_edited(path: str, value: float, run: Path) -> None:
    """A deleted field would be filled by its default: another experiment, and nobody would know."""
    (run / "scores.json").unlink()
    shutil.rmtree(run / "checkpoints" / "4")
    record = seals.read(run / "record.json")
    record["experiment"]["model"][path] = value
    if value is ...:
        del record["experiment"]["model"][path]
    directory.write_json(run / "record.json", record)
    called = call("resume", "run")
    assert called.code == 2 and called.err.count("\n") == 1 and "run/checkpoints/3" in called.err, called
    if path == "beta":
        assert "another experiment, seed or data than record.json says" in called.err


@pytest.mark.parametrize("damage", ["missing", "garbage", "a list"])
def test_a_history_that_was_damaged_is_refused(damage: str, run: Path) -> None:
    (run / "scores.json").unlink()
    lines = (run / "history.jsonl").read_text().splitlines()
    lines[1:2] = {"missing": [], "garbage": ["{nope"], "a list": ["[1]"]}[damage]
    (run / "history.jsonl").write_text("\n".join(lines) + "\n")
    called = call("resume", "run")
    assert called.code == 2 and "run/history.jsonl" in called.err and called.err.count("\n") == 1, called


def test_resume_elsewhere_warns_that_the_bits_may_differ(run: Path) -> None:
    (run / "scores.json").unlink()
    record = seals.read(run / "record.json")
    record["versions"]["jax"] = "0.1"
    directory.write_json(run / "record.json", record)
    called = call("resume", "run")
    assert called.code == 0 and called.err.count("\n") == 1
    assert called.err.startswith("jaxae: warning: not bitwise equal to an uninterrupted run: jax 0.1 -> ")


@pytest.mark.parametrize("command", [["resume", "run"], ["evaluate", "run"]])
def test_a_second_writer_is_refused_and_told_of_the_first(command: list[str], run: Path) -> None:
    (run / "scores.json").unlink()
    code = "import sys, time; from pathlib import Path; from jaxae.runs import directory\n"
    code += "with directory.lock(Path('run')): print('held', flush=True); time.sleep(300)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        called = call(*command)
        assert called.code == 2 and called.err.count("\n") == 1, called
        assert called.err.startswith(f"jaxae: run: another process (pid {holder.pid}) is writing to this run")
    finally:
        holder.kill()
        holder.communicate()
    assert call(*command).code == 0  # the kernel lets go of the lock of a killed process


# evaluate


def test_evaluate_scores_again_and_redraws(run: Path) -> None:
    expected = scores(run)
    (run / "scores.json").unlink()
    shutil.rmtree(run / "figures")
    called = call("evaluate", "run")
    assert called.code == 0 and called.err == "" and scores(run) == expected
    assert called.out.startswith("device      cpu: ") and called.out.count("device") == 1
    assert len(list((run / "figures").iterdir())) == 4


def test_evaluate_takes_the_number_of_samples(run: Path) -> None:
    assert call("evaluate", "run", "--num-samples=3").code == 0
    assert "iwelbo_3" in scores(run)["test"]


def test_evaluate_of_an_unfinished_run_tells_and_writes_no_scores(run: Path) -> None:
    (run / "scores.json").unlink()
    shutil.rmtree(run / "checkpoints" / "4")
    called = call("evaluate", "run")
    assert called.code == 0 and "best epoch 3" in called.out and not (run / "scores.json").exists()


def test_evaluate_never_replaces_the_scores_by_those_of_an_older_state(run: Path) -> None:
    expected = scores(run)
    corrupt(run / "checkpoints" / "4")
    called = call("evaluate", "run")
    assert called.code == 0 and called.err.count("\n") == 1 and "using epoch 3 instead" in called.err
    assert scores(run) == expected


def test_evaluate_without_a_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    called = call("evaluate", "run")
    assert called.code == 2 and "run: has no checkpoint yet; `jaxae resume run` trains it" in called.err


# show


def test_show_counts_the_operations_of_all_chunks_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(cache_bytes: int) -> tuple[float, str]:
        monkeypatch.setattr(conv_layers, "CACHE_BYTES", cache_bytes)
        called = call("show", "vq_vae_digits", "--batch_size", "8")
        (cost,) = re.findall(r"a step of 8 examples: ([\d.,]+) MFLOP, (.*)", called.out)
        return float(cost[0].replace(",", "")), cost[1]

    whole, in_chunks = shown(2**30), shown(1)
    assert in_chunks[0] == pytest.approx(whole[0], rel=0.1)
    assert in_chunks[1] != whole[1]  # the memory is that of the program that runs, with chunks


def test_show_agrees_with_the_trained_run_and_a_count_by_hand(run: Path) -> None:
    called = call("show", "small.py")
    assert called.code == 0 and called.err == "" and "MFLOP" in called.out and "MiB" in called.out
    count = (64 * 8 + 8) + (8 * 4 + 4) + (2 * 8 + 8) + (8 * 64 + 64)
    trained = jax.tree.leaves(jaxae.load(run).variables.params)
    assert count == sum(leaf.size for leaf in trained)
    last = next(line for line in called.out.splitlines() if line.startswith("parameters"))
    assert last.split() == ["parameters", f"{count:,}"]
    assert call("show", "run").out == called.out


def test_show_writes_nothing(tmp_path: Path) -> None:
    before = contents(tmp_path)
    assert call("show", "small.py").code == 0 and contents(tmp_path) == before


# data


def test_data_list_tells_what_is_found() -> None:
    called = call("data", "list", "--folder", ".")
    assert called.code == 0 and called.err == ""
    assert any(line.split()[:2] == ["digits", "found:"] for line in called.out.splitlines())
    assert any(
        line.startswith("mnist") and "`jaxae data download mnist --folder .`" in line
        for line in called.out.splitlines()
    )


def test_data_show_tells_splits_shape_and_hash() -> None:
    called = call("data", "show", "digits", "--num_test", "97")
    assert called.code == 0 and "97 rows of 8x8x1 uint8, values 0 to 16" in called.out
    assert len(called.out.splitlines()[-1].split()[1]) == 64


def test_data_prepare_writes_what_tfds_reads(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=small.images(300), y=np.arange(300) % 3)
    called = call("data", "prepare", "blobs", "--from", "x.npz", "--to", "sets")
    assert called.code == 0 and "read it as tfds:blobs" in called.out, called
    shown = call("data", "show", "tfds:blobs", "--folder", "sets", "--num_test", "50")
    assert shown.code == 0 and "50 rows of 4x4x1 uint8" in shown.out, shown


# help


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["help"], ["data", "--help"], ["data", "show", "-h"]]
)
def test_help_of_the_whole(arguments: list[str]) -> None:
    called = call(*arguments)
    assert called.code == 0 and called.out.startswith("usage: jaxae") and called.err == ""


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["train", "--help"], ["--epochs INT", "--seed INT", "--run_dir {None}|PATH"]),
        (["train", "small.py", "-h"], ["--epochs INT", "(default: 4)"]),
        (["resume", "--help"], ["--config {None}|STR"]),
        (["evaluate", "run", "--help"], ["--num_samples INT", "(default: 64)"]),
        (["show", "--help"], ["--config {None}|STR", "--batch_size INT"]),
        (["data", "list", "--help"], ["--folder {None}|STR"]),
        (["data", "show", "digits", "--help"], ["--num_validation {None}|INT|FLOAT"]),
        (["data", "prepare", "x", "--help"], ["--to {None}|PATH"]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_help_of_a_command(arguments: list[str], told: list[str], run: Path) -> None:
    called = call(*arguments)
    assert called.code == 0 and called.err == ""
    for words in told:
        assert words in called.out


def test_help_documents_every_field_with_type_and_default() -> None:
    experiment = jaxae.load_config("small.py")
    entries, text = {}, re.sub(r"[│╭╮╰╯─]", " ", call("train", "small.py", "--help").out)
    for entry in re.split(r"\n(?= +--)", text):
        head, _, body = entry.partition("\n")
        entries[head.split()[0]] = head, " ".join(body.split())
    for path, _, value in paths(experiment):
        if is_node(value):
            continue
        parent, _, name = path.rpartition(".")
        owner = type(get(experiment, parent) if parent else experiment)
        head, body = entries[f"--{path}"]
        assert len(head.split()) > 1, f"{path} has no type"
        assert help_text.field_docs(owner)[name] in body, path
        default = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert f"(default: {default}" in body, path


def test_version() -> None:
    assert call("--version") == (0, f"jaxae {jaxae.__version__}\n", "")


# one's own classes


@pytest.mark.slow
def test_classes_of_ones_own_train_resume_and_evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget() -> None:
        """What another process would not know either."""
        monkeypatch.delitem(sys.modules, "jaxae_configs.own")

    (tmp_path / "own.py").write_text(OWN)
    changes = ["--model.encoder.width", "7", "--model.share=0.25"]
    assert call("train", "own.py", "--run-dir", "run", *changes).code == 0
    run = Path("run")
    expected, told = scores(run), seals.read(run / "record.json")["experiment"]["model"]
    assert told["class"] == "jaxae_configs.own.Half" and told["share"] == 0.25
    assert told["encoder"] == {"class": "jaxae_configs.own.Encoder", "width": 7}
    shutil.rmtree(run / "checkpoints" / "3")
    (run / "scores.json").unlink()
    forget()
    refused = call("resume", "run")
    assert refused.code == 2 and "--config FILE" in refused.err and refused.err.count("\n") == 1, refused
    assert call("resume", "run", "--config", "own.py").code == 0 and scores(run) == expected
    forget()
    assert call("evaluate", "run", "--config=own.py").code == 0 and scores(run) == expected
    forget()
    assert "model.encoder.width = 7" in call("show", "run", "--config", "own.py").out
    assert "--model.share FLOAT" in call("train", "own.py", "--help").out


@pytest.mark.parametrize(
    "field, told",
    [
        ("act: Callable = jnp.tanh", "act"),
        ("wide: dict = None", "wide"),
        ("sizes: list[int] = (3,)", "sizes"),
    ],
)
def test_fields_of_ones_own_that_no_record_can_hold_are_named(field: str, told: str, tmp_path: Path) -> None:
    text = OWN.replace("width: int = 5", f"width: int = 5\n    {field}")
    (tmp_path / "own.py").write_text(f"from collections.abc import Callable\n{text}")
    called = call("train", "own.py", "--run-dir", "new")
    assert called.code == 2 and called.err.count("\n") == 1 and not Path("new").exists(), called
    assert f"own.py: model.encoder.{told}: got " in called.err


# as a shell sees it


def test_the_words_of_an_error_do_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "COLUMNS": "30",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }.items():
        monkeypatch.setenv(name, value)
    done = ended(start("train", "small.py", "--clip_norm", "many"))
    assert done == (2, "", "jaxae: --clip_norm: got 'many', expected a number (> 0) or None\n")


def test_orbax_is_silent_about_what_it_cannot_read(run: Path) -> None:
    """It has coroutines and threads that shout on standard error, of another process only."""
    (run / "scores.json").unlink()
    for folder in (run / "checkpoints").iterdir():
        corrupt(folder)
        next((folder / "state" / "d").iterdir()).write_bytes(b"")
    done = ended(start("resume", "run"))
    assert done.code == 2 and done.err.count("\n") == 1 and "no older one to fall back to" in done.err, done


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    process = start("show", "small.py")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait(120) == 1 and error == "jaxae: standard output was closed before the end\n"
    process.stderr.close()
