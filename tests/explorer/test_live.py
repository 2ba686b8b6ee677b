"""The explorer in a browser: sliders, the map, labels and tokens change the picture."""

import contextlib
import http.client
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jaxae
from tests.browser import Watched
from tests.cli.calling import start

pytestmark = pytest.mark.slow
PICTURE = "img[alt='decoded image']"
CELLS = "div[style*='grid-template-columns'] button"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


class Served:
    """The command `jaxae explore` in a process of its own."""

    def __init__(self, run: Path) -> None:
        self.process: subprocess.Popen = start(
            "explore", str(run), "--port", "0", "--open", "False", PYTHONUNBUFFERED="1"
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://localhost:(\d+)/", line)
        assert found, line + self.process.stderr.read()  # type: ignore[union-attr]
        self.address, self.port = found[0], int(found[1])

    def stop(self) -> int:
        self.process.send_signal(2)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(num_validation=100, num_test=100),
        model=jaxae.VAE(encoder=jaxae.MLP(widths=(16,)), decoder=jaxae.MLP(widths=(16,)), latent_dim=3),
        epochs=5,
    )
    jaxae.fit(experiment, run_dir=folder / "vae", progress=False)
    found = Served(folder / "vae")
    yield found
    assert found.stop() in (0, 130)


@pytest.fixture
def page(served: Served, chromium: Any) -> Iterator[Any]:
    watched = Watched(chromium)
    watched.page.goto(served.address)
    watched.page.wait_for_selector(PICTURE)
    watched.page.wait_for_function(f"document.querySelector(\"{PICTURE}\").src.startsWith('data:')")
    yield watched.page
    watched.close()
    assert watched.errors == []
    assert [
        url for url in watched.requests if not url.startswith((served.address, "data:", "blob:", "ws:"))
    ] == []


def source(page: Any) -> str:
    return page.locator(PICTURE).get_attribute("src")


def changes(page: Any, act: Any) -> bool:
    """Whether the picture is another one after an act."""
    before = source(page)
    act()
    try:
        page.wait_for_function(
            "([css, old]) => document.querySelector(css).src !== old", arg=[PICTURE, before], timeout=5_000
        )
    except Exception:  # a timeout of the browser's driver
        return False
    return True


def test_a_slider_changes_the_picture(page: Any) -> None:
    slider = page.locator(".q-slider [tabindex='0']").first
    slider.focus()
    assert changes(page, lambda: [page.keyboard.press("ArrowRight") for _ in range(10)])


def test_a_drag_and_the_arrow_keys_over_the_map_change_the_picture(page: Any) -> None:
    page.get_by_role("tab", name="map").click()
    plane = page.locator("[aria-label='map of the codes']")
    plane.wait_for()
    box = plane.bounding_box()

    def drag() -> None:
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.7 * box["height"], steps=8)
        page.mouse.up()

    assert changes(page, drag)
    plane.focus()
    assert changes(page, lambda: page.keyboard.press("ArrowLeft"))


def test_a_path_an_attribute_and_the_prior_change_the_picture(page: Any) -> None:
    page.get_by_role("tab", name="between two rows").click()
    share = page.locator("[aria-label='share of the way'] [tabindex='0']")
    share.focus()
    assert changes(page, lambda: [page.keyboard.press("ArrowRight") for _ in range(30)])
    page.get_by_role("tab", name="attributes").click()
    assert changes(page, lambda: page.get_by_role("button", name="more").click())
    assert changes(page, lambda: page.get_by_role("button", name="from the prior").click())


def test_other_hosts_and_origins_are_refused(served: Served) -> None:
    def status(path: str = "/", **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", served.port)
        connection.putrequest("GET", path, skip_host=True)
        for name, value in {"Host": f"localhost:{served.port}", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.closing(connection):
            return connection.getresponse().status

    assert status() == 200
    assert status(Host="evil.example") == 403
    assert status(Origin="http://evil.example") == 403
    socket = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "a" * 22 + "==",
    }
    assert (
        status("/_nicegui_ws/socket.io/?EIO=4&transport=websocket", Origin="http://evil.example", **socket)
        == 403
    )
    # Nothing but the page: no file of the run or of the machine.
    for path in (
        "/record.json",
        "/../record.json",
        "/etc/passwd",
        "/static/../../../etc/passwd",
        "/docs",
        "/openapi.json",
    ):
        assert status(path) in (404, 403)


def test_tokens_are_painted_and_completed(folder: Path, chromium: Any) -> None:
    vq = jaxae.Experiment(
        data=jaxae.DataSpec(num_validation=100, num_test=100),
        model=jaxae.VQVAE(
            encoder=jaxae.GridEncoder(channels=(4, 4), num_blocks=1, block_width=4),
            decoder=jaxae.GridDecoder(channels=(4, 4), num_blocks=1, block_width=4),
            grid=(2, 2),
            quantiser=jaxae.EMACodebook(num_codes=8),
        ),
        epochs=1,
    )
    jaxae.fit(vq, run_dir=folder / "vq", progress=False)
    prior = jaxae.Experiment(
        data=jaxae.DataSpec(name=f"tokens:{folder / 'vq'}"),
        model=jaxae.tokens.TokenPrior(net=jaxae.nets.Transformer(width=8, num_layers=1, num_heads=1)),
        epochs=1,
    )
    jaxae.fit(prior, run_dir=folder / "prior", progress=False)
    served, watched = Served(folder / "prior"), Watched(chromium)
    try:
        page = watched.page
        page.goto(served.address)
        css = "img[alt='image of the tokens']"
        page.wait_for_selector(css)
        cells = page.locator(CELLS)
        assert cells.count() == 4
        before = cells.all_inner_texts()
        token = str((int(before[0]) + 1) % 8)
        page.get_by_label("token to paint").fill(token)
        cells.first.click()
        wait = (
            "([css, like]) => [...document.querySelectorAll(css)].{}((e) => RegExp(like).test(e.innerText))"
        )
        page.wait_for_function(wait.format("slice(0, 1).every"), arg=[CELLS, f"^{token}$"])
        page.get_by_role("button", name="free all").click()
        page.wait_for_function(wait.format("every"), arg=[CELLS, "^[?]$"])
        page.get_by_role("button", name="complete with the prior").click()
        page.wait_for_function(wait.format("every"), arg=[CELLS, "^[0-9]+$"])
        assert watched.errors == []
    finally:
        watched.close()
        served.stop()
