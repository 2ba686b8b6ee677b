"""`jaxae data download`, and what list, show and train say before and after it; a local server answers."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jaxae.data.downloads.known_data import KNOWN
from jaxae.runs.config import names
from tests.cli.calling import call, ended, start, wait_for
from tests.data.files import PARTS
from tests.data.known_files import describe, write_known
from tests.data.server import Handler, Server, serving


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "jaxae_data"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror with small files of MNIST, in the table too."""
    write_known("mnist", tmp_path / "mirror" / "mnist")
    describe("mnist", tmp_path / "mirror" / "mnist", monkeypatch)
    with serving(tmp_path / "mirror") as running:
        monkeypatch.setenv("JAXAE_MIRROR", running.address)
        yield running


def test_a_download_shows_what_it_is_and_is_found_without_a_flag(server: Server, tmp_path: Path) -> None:
    held_out = ("--num_validation", "5")
    before = call("data", "show", "mnist", *held_out)
    assert before.code == 2 and "licence     none stated" in before.out and "LeCun" in before.out
    assert "`jaxae data download mnist` fetches them" in before.err and before.err.count("\n") == 1
    folder = tmp_path / "cache" / "jaxae" / "data" / "mnist"
    called = call("data", "download", "mnist")
    assert called.code == 0 and called.err == "", called
    assert f"folder      {folder}" in called.out and "citation    LeCun, Bottou" in called.out
    assert called.out.count("sha256 checksum right") == 4
    assert called.out.splitlines()[-1] == f"mnist: ready in {folder}; use it by --data.name mnist"
    again = call("data", "download", "mnist")
    assert again.code == 0 and again.out.count("already there, sha256 checksum right") == 4
    shown = call("data", "show", "mnist", *held_out)
    assert shown.code == 0 and "mnist: 35 train, 5 validation, 10 test" in shown.out and "LeCun" in shown.out
    listed = call("data", "list").out.splitlines()
    assert [line.split(maxsplit=1)[1] for line in listed if line.split()[0] == "mnist"] == [
        f"found: {folder}"
    ]


def test_a_folder_of_ones_own_is_named_in_the_last_line(server: Server, tmp_path: Path) -> None:
    called = call("data", "download", "mnist", "--folder", "mine")
    assert called.code == 0 and f"use it by --data.name mnist --data.folder {tmp_path}/mine" in called.out
    assert call("data", "show", "mnist", "--folder", "mine", "--num_validation", "0").code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mnits"], "did you mean 'mnist'"),
        (["digits"], "data 'digits': cannot be downloaded; "),
        (["tfds:mnist"], "valid: binarized_mnist, celeba, cifar10"),
        ([], "the name comes first: jaxae data download NAME"),
        (["mnist", "--foldr", "x"], "--folder"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], expected: str) -> None:
    called = call("data", "download", *arguments)
    assert called.code == 2 and expected in called.err and called.err.count("\n") == 1, called


def test_without_an_answer_the_way_by_hand_is_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers[f"mnist/{PARTS[0]}.gz"] = lambda handler, _: handler.send(404, b"")
    data = KNOWN["mnist"]
    files = tuple(replace(file, urls=(f"http://127.0.0.1:9/{file.name}",)) for file in data.files)
    monkeypatch.setitem(KNOWN, "mnist", replace(data, files=files))
    called = call("data", "download", "mnist")
    assert called.code == 2 and called.err.count("\n") == 1
    folder = tmp_path / "cache" / "jaxae" / "data" / "mnist"
    assert f"get http://127.0.0.1:9/{PARTS[0]}.gz and put it into {folder}, or set" in called.err


@pytest.mark.parametrize("name", [name for name in names() if name.endswith("_mnist")])
def test_configs_that_need_mnist_name_the_command_at_once(name: str, tmp_path: Path) -> None:
    if name == "token_prior_mnist":  # needs the run of a tokenizer first
        return
    called = call("train", name)
    assert called.code == 2 and called.out == "" and called.err.count("\n") == 1, called
    assert f"are not in {tmp_path}/cache/jaxae/data/mnist; `jaxae data download mnist` fetches" in called.err
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_leaves_a_partial_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = KNOWN["mnist"].files[0].size

    def trickle(handler: Handler, _: bytes | None) -> None:
        handler.send(200, b"\x1f\x8b" + bytes(100_000), length=size)
        while not handler.server.stopped.wait(0.01):  # type: ignore[attr-defined]
            pass

    with serving(tmp_path) as running:
        running.stopped = threading.Event()  # type: ignore[attr-defined]
        running.answers[f"mnist/{PARTS[0]}.gz"] = trickle
        process = start("data", "download", "mnist", JAXAE_MIRROR=running.address)
        folder = tmp_path / "cache" / "jaxae" / "data" / "mnist"
        part = folder / f"{PARTS[0]}.gz.part"
        wait_for(lambda: part.exists() and part.stat().st_size > 50_000, process)
        os.kill(process.pid, signal.SIGINT)
        called = ended(process, 30)
        running.stopped.set()  # type: ignore[attr-defined]
    assert called.code == 130
    assert called.err == "jaxae: mnist: download stopped; the same command resumes it\n"
    assert {path.name for path in folder.iterdir()} == {part.name, ".download.lock"}
