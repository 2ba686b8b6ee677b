"""Downloads from a local server with small files in the format of each data set."""

import errno
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jaxae.data import DataSpec, download, load
from jaxae.data.downloads import retrieve, transfer
from jaxae.data.downloads.checksum import compute
from jaxae.data.downloads.known_data import KNOWN
from tests.data.files import PARTS, complaint
from tests.data.known_files import describe, write_known
from tests.data.server import Handler, Server, serving

IMAGES = f"mnist/{PARTS[0]}.gz"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no data of the machine; no waiting between tries."""
    for name in os.environ:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "jaxae_data"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror with small files of MNIST, and the table of these files."""
    write_known("mnist", tmp_path / "mirror" / "mnist")
    describe("mnist", tmp_path / "mirror" / "mnist", monkeypatch)
    with serving(tmp_path / "mirror") as running:
        monkeypatch.setenv("JAXAE_MIRROR", running.address)
        offline(monkeypatch)
        yield running


def offline(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    """Replaces the official addresses of MNIST, by default by one at which nobody answers."""
    files = tuple(
        replace(file, urls=tuple(f"{url}/{file.name}" for url in urls or ("http://127.0.0.1:9/mnist",)))
        for file in KNOWN["mnist"].files
    )
    monkeypatch.setitem(KNOWN, "mnist", replace(KNOWN["mnist"], files=files))


def names(folder: Path) -> set[str]:
    """The files of a folder, without the lock."""
    return {path.name for path in folder.iterdir()} - {retrieve.LOCK_NAME} if folder.exists() else set()


def requests_of(server: Server, path: str) -> list[str | None]:
    """The ranges of the requests of a file."""
    return [range_ for where, range_ in server.seen if where.endswith(path)]


@pytest.mark.parametrize("name", KNOWN)
def test_each_data_set_is_downloaded_and_read_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_known(name, tmp_path / "mirror" / name)
    describe(name, tmp_path / "mirror" / name, monkeypatch)
    with serving(tmp_path / "mirror") as running:
        monkeypatch.setenv("JAXAE_MIRROR", f"{running.address}/")
        folder = download(name)
    assert folder == tmp_path / "cache" / "jaxae" / "data" / name
    assert names(folder) == {file.name for file in KNOWN[name].files}
    spec = DataSpec(name=name, num_validation=1, num_test=1)
    assert load(spec).hash == load(replace(spec, folder=str(tmp_path / "mirror"))).hash


def test_a_second_download_requests_nothing(server: Server, capsys: pytest.CaptureFixture) -> None:
    download("mnist")
    assert len(server.seen) == 4
    capsys.readouterr()
    download("mnist")
    assert len(server.seen) == 4
    out = capsys.readouterr().out.splitlines()
    assert out == [f"{part}.gz: already there, sha256 checksum right" for part in PARTS]
    download("mnist", progress=False)
    assert capsys.readouterr().out == ""


def test_only_missing_and_damaged_files_are_downloaded(server: Server) -> None:
    folder = download("mnist")
    content = (folder / f"{PARTS[0]}.gz").read_bytes()
    (folder / f"{PARTS[0]}.gz").write_bytes(content[:-5])
    (folder / f"{PARTS[1]}.gz").unlink()
    download("mnist")
    assert [where for where, _ in server.seen[4:]] == [f"/mnist/{PARTS[0]}.gz", f"/mnist/{PARTS[1]}.gz"]
    assert (folder / f"{PARTS[0]}.gz").read_bytes() == content


def test_unpacked_files_are_accepted(server: Server, tmp_path: Path) -> None:
    write_known("mnist", tmp_path / "packed")
    from tests.data.files import write_mnist

    write_mnist(tmp_path / "mine" / "mnist", suffix="")
    download("mnist", str(tmp_path / "mine"))
    assert server.seen == []


def test_an_interrupted_download_is_resumed(server: Server, capsys: pytest.CaptureFixture) -> None:
    """The connection ends three times within the file; each time only the rest is requested."""
    cuts = iter([1000, 2500, 9000])

    def cut(handler: Handler, content: bytes) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        stop = next(cuts, len(content))
        extra = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        handler.send(206 if start else 200, content[start:stop], length=len(content) - start, **extra)
        handler.close_connection = True

    server.answers[IMAGES] = cut
    folder = download("mnist")
    assert requests_of(server, IMAGES) == [None, "bytes=1000-", "bytes=2500-", "bytes=9000-"]
    assert compute(folder / f"{PARTS[0]}.gz", "sha256") == KNOWN["mnist"].files[0].checksum[7:]


def test_a_download_that_was_stopped_is_resumed_by_the_next(server: Server) -> None:
    size = KNOWN["mnist"].files[0].size

    def cut(handler: Handler, content: bytes) -> None:
        handler.send(200, content[:2000], length=len(content))
        handler.close_connection = True

    def refuse(handler: Handler, content: bytes) -> None:
        (cut if not handler.headers.get("Range") else lambda h, _: h.send(503, b""))(handler, content)

    server.answers[IMAGES] = refuse
    said = complaint(download, "mnist")
    folder = retrieve.cache_root() / "mnist"
    # Nothing looks complete, for the reader and for the eye.
    assert names(folder) == {f"{PARTS[0]}.gz.part"} and "HTTP 503" in said
    assert "`jaxae data download mnist`" in complaint(load, DataSpec(name="mnist"))
    server.answers.clear()
    download("mnist")
    assert requests_of(server, IMAGES)[-1] == "bytes=2000-" and size
    assert names(folder) == {f"{part}.gz" for part in PARTS}


def test_a_server_without_ranges_gives_the_whole_file_again(server: Server) -> None:
    folder = retrieve.cache_root() / "mnist"
    folder.mkdir(parents=True)
    (folder / f"{PARTS[0]}.gz.part").write_bytes(b"x" * 3000)
    server.answers[IMAGES] = lambda handler, content: handler.send(200, content)
    download("mnist")
    assert requests_of(server, IMAGES) == ["bytes=3000-"]


@pytest.mark.parametrize("num", [3000, 10**6])
def test_a_partial_file_of_another_file_is_started_over(server: Server, num: int) -> None:
    folder = retrieve.cache_root() / "mnist"
    folder.mkdir(parents=True)
    (folder / f"{PARTS[0]}.gz.part").write_bytes(b"x" * num)
    download("mnist")
    assert compute(folder / f"{PARTS[0]}.gz", "sha256") == KNOWN["mnist"].files[0].checksum[7:]
    assert requests_of(server, IMAGES) == (["bytes=3000-", None] if num == 3000 else [None])


FAULTS = {
    "a truncated file": (
        lambda handler, content: handler.send(200, content[:4000]),
        "a file of 4000 bytes, expected",
    ),
    "a connection that ends each time": (
        lambda handler, content: handler.send(200, b"", length=len(content)),
        "the connection ended after 0 bytes",
    ),
    "a wrong checksum": (
        lambda handler, content: handler.send(200, content[:-1] + b"?"),
        "a damaged or changed file (sha256 ",
    ),
    "a web page": (
        lambda handler, content: handler.send(200, b"<html>sign in</html>", "text/html; charset=utf-8"),
        "a web page (HTML) instead of the file",
    ),
    "a web page that says it is a file": (
        lambda handler, content: handler.send(200, b"\n<!DOCTYPE html>".ljust(len(content))),
        "a web page (HTML) instead of the file",
    ),
    "a web page of unknown length": (
        lambda handler, content: handler.send_page(b"<head></head>"),
        "a web page (HTML) instead of the file",
    ),
    "no such file": (lambda handler, content: handler.send(404, b""), "HTTP 404 Not Found"),
    "no permission": (lambda handler, content: handler.send(403, b""), "HTTP 403 Forbidden"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_and_leaves_no_file(fault: str, server: Server) -> None:
    server.answers[IMAGES], reason = FAULTS[fault]
    said = complaint(download, "mnist")
    folder = retrieve.cache_root() / "mnist"
    host = server.address.removeprefix("http://")
    assert said.startswith(f"mnist: {PARTS[0]}.gz cannot be downloaded ({host}: {reason}"), said
    assert "127.0.0.1:9: no connection" in said
    assert f"by hand: get http://127.0.0.1:9/mnist/{PARTS[0]}.gz and put it into {folder}, or set" in said
    assert {path for path in names(folder) if not path.endswith(".part")} == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_the_next_address_is_tried(
    fault: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch, f"{server.address}/official")
    shutil.copytree(server.folder / "mnist", server.folder / "official")
    server.answers[IMAGES] = FAULTS[fault][0]
    folder = download("mnist")
    assert (folder / f"{PARTS[0]}.gz").read_bytes() == (server.folder / IMAGES).read_bytes()
    assert [where for where, _ in server.seen if where.startswith("/official")][
        -1
    ] == f"/official/{PARTS[0]}.gz"


def unknown_name(*_: object) -> None:
    """Fail as the look-up of a name does without a network."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_without_a_network_the_way_by_hand_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAXAE_MIRROR")
    offline(monkeypatch, "https://data.invalid/mnist")
    monkeypatch.setattr(socket, "getaddrinfo", unknown_name)
    said = complaint(download, "mnist")
    assert "data.invalid: " in said and "no network?" in said
    assert f"get https://data.invalid/mnist/{PARTS[0]}.gz and put it into " in said


def test_proxies_of_the_environment_are_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAXAE_MIRROR")
    offline(monkeypatch, "http://data.invalid/mnist")
    monkeypatch.setenv("HTTP_PROXY", server.address)
    monkeypatch.setenv("http_proxy", server.address)
    download("mnist")
    assert server.seen[0][0] == f"http://data.invalid/mnist/{PARTS[0]}.gz"


def test_packed_files_are_not_unpacked_on_the_way(server: Server) -> None:
    server.answers[IMAGES] = lambda handler, content: handler.send(
        200, content, **{"Content-Encoding": "gzip"}
    )
    folder = download("mnist")
    assert (folder / f"{PARTS[0]}.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_a_full_disk_before_and_during_the_download(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    with monkeypatch.context() as patch:
        patch.setattr(retrieve.shutil, "disk_usage", lambda _: usage._replace(free=1000))
        said = complaint(download, "mnist")
        assert "are needed, 1 kB are free on this disk" in said and "--folder" in said and server.seen == []

    class Full:
        """A file on a disk that is full after 2,000 bytes."""

        def __init__(self, part: Path) -> None:
            self.stream = part.open("ab", buffering=0)

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def write(self, block: bytes) -> None:
            self.stream.write(block[:2000])
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(transfer, "_open", lambda part, mode: Full(part))
        said = complaint(download, "mnist")
    folder = retrieve.cache_root() / "mnist"
    assert said.startswith(f"{folder}: the disk is full (") and names(folder) == {f"{PARTS[0]}.gz.part"}
    download("mnist")
    assert requests_of(server, IMAGES)[-1] == "bytes=2000-"


def test_a_folder_that_cannot_be_written_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file/mnist: cannot be made: " in complaint(download, "mnist", str(tmp_path / "file"))
    monkeypatch.setenv("JAXAE_DATA", str(tmp_path / "lab"))
    monkeypatch.setattr(retrieve.os, "access", lambda *_: False)
    said = complaint(download, "mnist")
    assert f"{tmp_path}/lab/mnist: is not writable" in said and f"--folder {retrieve.cache_root()}" in said


def test_two_downloads_at_once_take_turns(server: Server, capsys: pytest.CaptureFixture) -> None:
    started, go = threading.Event(), threading.Event()

    def wait(handler: Handler, content: bytes) -> None:
        started.set()
        go.wait(10)
        handler.send_range(content)

    server.answers[IMAGES] = wait
    first, second = (threading.Thread(target=download, args=("mnist",)) for _ in range(2))
    first.start()
    assert started.wait(10)
    second.start()
    while "waiting for another download" not in "".join(printed := capsys.readouterr().out):
        assert second.is_alive()
    go.set()
    first.join()
    second.join()
    assert len(server.seen) == 4 and printed


def test_unknown_names_are_refused_and_numbers_are_left_out(server: Server) -> None:
    assert "did you mean 'mnist'" in complaint(download, "mnits")
    assert "data 'digits': cannot be downloaded; " in complaint(download, "digits")
    assert retrieve.known("dsprites:5000").name == "dsprites"


def test_the_blob_id_is_that_of_git(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello\n")
    assert compute(tmp_path / "x", "git") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object


def test_a_bar_on_a_terminal_shows_the_bytes(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    from jaxae.data.downloads import display

    reports: list[int] = []
    monkeypatch.setattr(display, "_is_terminal", lambda: True)
    with display.Display(True).bar(KNOWN["mnist"].files[0], "here") as report:
        report(10)
    original = transfer.transfer

    def spy(url: str, file: Any, part: Path, report: Any) -> None:
        original(url, file, part, reports.append)

    monkeypatch.setattr(retrieve, "transfer", spy)
    download("mnist", progress=False)
    assert KNOWN["mnist"].files[0].size in reports
