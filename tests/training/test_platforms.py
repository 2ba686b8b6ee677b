"""The platform that jax computes on: one line where there is none, one where an accelerator is idle."""

import subprocess
import sys
from pathlib import Path

import pytest

from jaxae.training import platforms
from jaxae.training.platforms import idle_accelerator
from tests.cli.calling import CONFIG, ended, start

NAMES = {
    "gpux": "JAX_PLATFORMS: got 'gpux'; did you mean 'gpu'? valid: cpu, cuda, gpu, rocm, tpu",
    "cuda": "JAX_PLATFORMS: got 'cuda', but",
    "tpu": "JAX_PLATFORMS: got 'tpu', but",
    "cpu,cudda": "JAX_PLATFORMS: got 'cpu,cudda'; did you mean 'cuda'? valid:",
}
CODE = """
import contextlib, os, sys, jax, jaxae
from jax._src import xla_bridge
from jaxae.cli.main import run

with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.suppress(SystemExit):
    run(["train", "--help"])
print("help starts a platform:", xla_bridge.backends_are_initialized())
for name in sys.argv[1:]:
    jax.config.update("jax_platforms", name)
    try:
        jaxae.load("nowhere") if name == "tpu" else jaxae.fit(jaxae.Experiment())
    except jaxae.JaxaeError as error:
        print(error)
"""


@pytest.mark.skipif(platforms.installed() != ["cpu"], reason="an accelerator's library is installed")
def test_a_platform_that_cannot_be_used_is_a_jaxae_error() -> None:
    """Where something is computed; help asks for none."""
    done = subprocess.run([sys.executable, "-c", CODE, *NAMES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first == "help starts a platform: False"
    assert len(lines) == len(NAMES)
    for line, expected in zip(lines, NAMES.values(), strict=True):
        assert line.startswith(expected) and "installed here: cpu" in line
    assert lines[1].endswith("to install cuda: pip install 'jaxae[cuda]'")


def test_a_platform_that_cannot_be_used_is_one_line_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text("import jax.numpy as jnp\nzeros = jnp.zeros(3)\n" + CONFIG)
    called = ended(start("train", "small.py", "--run-dir", "new", JAX_PLATFORMS="gpux"))
    assert called.code == 2 and called.out == "" and called.err.count("\n") == 1, called
    assert called.err.startswith(f"jaxae: {NAMES['gpux']}")
    assert not Path("new").exists()


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a machine with a GPU has; nobody has chosen a platform."""
    file = tmp_path / "nvidia0"
    monkeypatch.setattr(platforms, "DEVICE_FILES", {"an NVIDIA GPU": ("cuda", ("/nowhere", str(file)))})
    monkeypatch.setattr(platforms, "_chosen", lambda: None)
    return file


def test_an_idle_accelerator_is_named_with_the_way_out(gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert idle_accelerator() is None
    gpu.touch()
    warning = "this machine has an NVIDIA GPU, but jax computes on the CPU; "
    silence = "; to silence this warning: JAX_PLATFORMS=cpu"
    assert idle_accelerator() == f"{warning}to use it: pip install 'jaxae[cuda]'{silence}"
    monkeypatch.setattr(platforms, "installed", lambda: ["cpu", "cuda"])
    assert idle_accelerator("no driver") == f"{warning}to see why: JAX_PLATFORMS=cuda (no driver){silence}"
    monkeypatch.setattr(platforms, "_chosen", lambda: "cpu")
    assert idle_accelerator() is None


def test_the_warning_is_given_once_when_jax_is_started_for_a_run(
    gpu: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.touch()
    monkeypatch.setattr(platforms, "_is_started", lambda: False)
    platforms.check.cache_clear()
    platforms.check()
    platforms.check()
    assert capsys.readouterr().err == f"jaxae: warning: {idle_accelerator()}\n"
    platforms.check.cache_clear()
    monkeypatch.setattr(platforms, "_is_started", lambda: True)  # jax itself has warned
    platforms.check()
    assert capsys.readouterr().err == ""


def test_what_jax_says_of_an_idle_accelerator_is_said_once() -> None:
    with platforms._Captured() as captured:
        records = [captured.logger.makeRecord("", 30, "", 0, text, (), None) for text in (
            "An NVIDIA GPU may be present on this machine, but a CUDA-enabled jaxlib is not installed.",
            "CUDA backend failed to initialize: no driver.",
        )]  # fmt: skip
        assert not any(captured.logger.filter(record) for record in records)
        assert captured.reason == "CUDA backend failed to initialize: no driver."
    other = captured.logger.makeRecord("", 30, "", 0, "Platform 'x' is experimental", (), None)
    assert captured.logger.filter(other)
