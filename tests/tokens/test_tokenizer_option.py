"""`--tokenizer RUN`: whose tokens a config's prior learns. README's commands train one to its end."""

from pathlib import Path

import pytest

from tests.cli.calling import call

PRIOR = """\
import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="{name}"),
    model=jaxae.TokenPrior(net=jaxae.Transformer(width=8, num_layers=1, num_heads=2)),
)
"""


@pytest.fixture(autouse=True)
def _config(tmp_path: Path) -> None:
    """`prior.py` lies in the working directory."""
    (tmp_path / "prior.py").write_text(PRIOR.format(name="tokens"))


def test_show_tells_of_tokens_codes_and_parameters(vq_path: Path) -> None:
    called = call("show", "prior.py", "--tokenizer", str(vq_path))
    assert called.code == 0, called
    assert f"tokens:{vq_path}: 2x2 tokens of 9 codes, of digits" in called.out
    assert "model.num_codes = 9" in called.out and "net.Attention_0" in called.out


def test_it_is_the_same_as_the_data_by_that_name(vq_path: Path) -> None:
    named = call("show", "prior.py", "--data.name", f"tokens:{vq_path}")
    assert named == call("show", "prior.py", "--tokenizer", str(vq_path))


def test_data_show_tells_of_tokens(vq_path: Path) -> None:
    called = call("data", "show", f"tokens:{vq_path}")
    assert called.code == 0 and "2x2 tokens of 9 codes" in called.out, called


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["prior.py"], "data.name: got 'tokens', expected tokens:RUN, or --tokenizer RUN"),
        (["prior.py", "--tokenizer", "nowhere"], "nowhere"),
        (
            ["vae_digits", "--tokenizer", "run"],
            "--tokenizer: is for a prior over tokens, but data.name is 'digits'",
        ),
        (["prior.py", "--tokenizer", "a", "--data.name", "tokens:b"], "got a, but data.name is 'tokens:b'"),
        (["prior.py", "--tokenizer", "a", "--data.num_test", "5"], "a"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(arguments: list[str], told: str) -> None:
    called = call("train", *arguments)
    assert called.code == 2 and called.err.count("\n") == 1 and told in called.err, called
    assert not Path("runs").exists()
