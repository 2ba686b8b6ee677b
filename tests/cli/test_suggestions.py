"""What is suggested for names that do not exist, and what is not suggested."""

import pytest

from jaxae.cli import describe, suggestions, train_command
from jaxae.runs.experiment import Experiment
from tests.cli.calling import call

SEE = "see --help"
SUGGESTED = {
    # The last part of a dotted name, its initials, and other spellings of it.
    "--lr": "'--optimizer.learning_rate'",
    "--beta": "'--model.beta'",
    "--learning-rate": "'--optimizer.learning_rate'",
    "--latent-dim": "'--model.latent_dim'",
    "--latent": "'--model.latent_dim'",
    "--latentdim": "'--model.latent_dim'",
    "--vae.beta": "'--model.beta'",
    "--net.latent_dim": "'--model.latent_dim'",
    "--learn": "'--optimizer.learning_rate'",
    "--samples": "'--model.num_samples'",
    "--dim": "'--model.latent_dim'",
    "--bs": "'--batch_size'",
    "--widths": "'--model.encoder.widths' or '--model.decoder.widths'",
    # Spelling mistakes.
    "--epoch": "'--epochs'",
    "--Epochs": "'--epochs'",
    "--batchsize": "'--batch_size'",
    "--batch_sze": "'--batch_size'",
    "--run_dri": "'--run_dir'",
    "--rundir": "'--run_dir'",
    "--sede": "'--seed'",
    "--seeds": "it is an option of jaxae sweep",
    "--optim": "'--optimizer'",
    "--dataset": "'--data'",
    "--hlp": "'--help'",
    # Options of other commands.
    "--over": "it is an option of jaxae sweep",
    "--measures": "it is an option of jaxae evaluate",
    # Nothing is near: a wrong suggestion is worse than none.
    "--gpu": SEE,
    "--verbose": SEE,
    "--lambda": SEE,
    "--x": SEE,
    "--foo.bar": SEE,
    "--tau": SEE,
    "--dropout": SEE,
}


def said(option: str) -> str:
    table, [record] = describe.outlines_of(Experiment())
    own = [f"--{name}" for name in table_of_train()]
    return suggestions.unknown_option(
        option.replace("-", "_").replace("__", "--", 1), own, record, table, "train"
    )


def table_of_train() -> list[str]:
    table = describe.Outlines()
    return list(table[table.add(train_command.Train)].fields)


@pytest.mark.parametrize("option", SUGGESTED)
def test_what_is_suggested_for_an_option(option: str) -> None:
    meant = SUGGESTED[option]
    words = f"did you mean {meant}?" if meant.startswith("'") else meant
    assert said(option) == f"unknown option; {words}"


def test_a_field_of_another_part_is_suggested_by_its_whole_name() -> None:
    said_inside = said("--model.learning_rate")
    assert said_inside == "unknown option; --model is VAE; did you mean '--optimizer.learning_rate'?"
    assert "did you mean 'latent_dim'? valid: " in said("--model.latentdim")
    assert "did you mean 'latent_dim'? valid: " in said("--model.latent")
    assert said("--autoencoder.beta") == "is now --model.beta"


def test_options_of_all_commands_are_read_from_the_source() -> None:
    options = suggestions.options_of_commands()
    assert {"--over", "--seeds"} <= set(options["sweep"]) and "--from" in options["data"]
    assert options["train"] == [f"--{name}" for name in table_of_train()]


LINES = {
    "train small.py --data mnist": "--data: got 'mnist', expected an option of this part, "
    "such as --data.name mnist",
    "train small.py --model vae": "--model: got 'vae', expected a class: did you mean 'VAE'? valid: AE, ",
    "train small.py --model beta-tc-vae": "did you mean 'BetaTCVAE'?",
    "train small.py -epochs 3": "-epochs: is not an option; options start with two dashes: --epochs",
    "train small.py --epochs 3 -lr 1": "--epochs: got '3 -lr 1', expected a whole number (> 0); "
    "options start with two dashes: --lr",
    "train small.py --model.beta -inf": "model.beta: got -inf",
    "trian small.py": "trian: no such command; did you mean 'train'?",
    "vae_digits": "no such command; to train a config: jaxae train vae_digits",
    "small.py": "small.py: no such command; to train a config: jaxae train small.py",
    "train vae_mnst": "no such config; did you mean 'vae_mnist'? `jaxae show` lists the configs, or",
    "train vae-mnist": "did you mean 'vae_mnist'?",
    "train configs/vae_mnist": "did you mean 'vae_mnist'?",
    "train .": ".: no such config; the folder holds no run (record.json is missing); valid: ",
    "train qqqq": "qqqq: no such config; valid: adversarial_digits, ",
    "sweep small.py --ovr model.beta=1": "--ovr: unknown option; did you mean '--over'?",
}


@pytest.mark.parametrize("line", LINES)
def test_a_mistake_is_one_line_with_the_way_out(line: str) -> None:
    called = call(*line.split())
    assert called.code == 2 and called.err.count("\n") == 1 and LINES[line] in called.err, called.err
