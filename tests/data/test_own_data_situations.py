"""Each row of docs/howto/which_data.md is tried: the data are read, or refused in the line that is there."""

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from PIL import Image

from jaxae.cli import options
from jaxae.cli.data_command import Shown
from jaxae.data import DataSpec, from_given, load
from jaxae.data.own.given_rows import collect
from jaxae.errors import JaxaeError

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "which_data.md"
HEAVY = ("torch", "datasets", "polars")  # seconds to import, or no part of the extras of `dev`


class Situation(NamedTuple):
    kind: str
    call: str
    result: str


def situations() -> list[Situation]:
    """The rows of the tables of the page that have three cells with code in the second one."""
    rows = [re.split(r"(?<!\\)\|", line) for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip().replace("\\|", "|") for cell in row[1:-1]] for row in rows]
    return [
        Situation(row[0], row[1].strip("`"), row[2].strip("`"))
        for row in cells
        if len(row) == 3 and row[1].startswith("`")
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the rows name."""
    place = tmp_path_factory.mktemp("own")
    write_files(place)
    return place


def values() -> dict[str, Any]:
    """What the rows call x, y and so on: 600 rows."""
    random = np.random.RandomState(0)
    x = random.normal(size=(600, 4))
    y = np.array(["cat", "dog"] * 300)
    pixels = random.randint(0, 256, (600, 8, 8)).astype(np.uint8)
    return {
        "np": np,
        "pd": pd,
        "pa": pa,
        "jnp": jnp,
        "scipy": scipy,
        "DataSpec": DataSpec,
        "Image": Image,
        "x": x,
        "y": y,
        "numbers": (y == "dog").astype(int),
        "images": pixels,
        "frame": pd.DataFrame(x, columns=list("abcd")).assign(species=y),
        "pil": [Image.fromarray(image) for image in pixels[:100]],
        "wide": Image.new("RGB", (20, 12)),
    }


def write_files(place: Path) -> None:
    held = values()
    images, frame, y = held["images"], held["frame"], held["y"]
    np.save(place / "x.npy", images)
    np.savez(place / "own.npz", x=images, y=y, x_test=images[:20], y_test=y[:20])
    np.savez(
        place / "keras.npz", x_train=images, y_train=held["numbers"], x_test=images[:20], y_test=[0, 1] * 10
    )
    np.savez(place / "other.npz", images=images, digit=held["numbers"])
    frame.to_csv(place / "pets.csv", index=False)
    frame.to_csv(place / "index.csv.gz")
    frame.to_csv(place / "pets.tsv", sep="\t", index=False)
    frame.to_csv(place / "comma.csv", sep=";", decimal=",", index=False)
    np.savetxt(place / "plain.csv", held["x"], delimiter=",")
    (place / "ragged.csv").write_text("a,b\n1,2,3\n4,5,6\n")
    frame.assign(b=frame.b.where(frame.index != 7)).to_csv(place / "gaps.csv", index=False)
    frame.to_parquet(place / "pets.parquet")
    for folder, suffix in (("photos", "png"), ("photos", "jpg"), ("photos", "webp"), ("photos", "tif")):
        for number in range(20):
            path = place / folder / ("cat", "dog")[number % 2] / f"{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            held["pil"][number].save(path)
    for number in range(20):
        for folder, image in (
            ("deep", Image.fromarray(images[number].astype(np.uint16) * 257)),
            ("sizes", Image.new("RGB", (8 + number, 9))),
        ):
            (place / folder).mkdir(exist_ok=True)
            image.save(place / folder / f"{number}.tif")
    (place / "float").mkdir()
    Image.fromarray(held["x"][:8].astype(np.float32)).save(place / "float" / "0.tif")
    (place / "shards").mkdir()
    for number in range(3):
        frame[number::3].to_parquet(place / "shards" / f"train-{number}.parquet")
    frame[:50].to_parquet(place / "shards" / "test-0.parquet")
    (place / "parts").mkdir()
    for number in range(3):
        np.save(place / "parts" / f"{number}.npy", images[number::3])
    (place / "x.mat").write_bytes(b"MATLAB")


def write_h5(place: Path) -> None:
    import h5py

    held = values()
    with h5py.File(place / "x.h5", "w") as file:
        file["images"], file["digit"] = held["images"], held["numbers"]
        file["names"] = held["y"].astype("S")


def fit(x: Any = None, y: Any = None, data: DataSpec | None = None, **parts: Any) -> str:
    """What the page calls `fit`: the data are read as `jaxae.fit` reads them, and nothing is trained."""
    given = collect(x, y, **parts)
    assert given is not None
    return from_given(given, data or DataSpec()).description.partition(": ")[2]


def read(call: str) -> str:
    words = shlex.split(call.replace("--data.", "--"))
    assert words[0] == "--name"
    _, data = options.parse(Shown, words[2:], "jaxae data show", DataSpec(name=words[1]))
    return load(data).description.partition(": ")[2]


def attempt(call: str) -> str:
    """The description of the data, or the line of the refusal."""
    try:
        if call.startswith("--"):
            return read(call)
        libraries = {name: pytest.importorskip(name) for name in (*HEAVY, "h5py") if f"{name}." in call}
        return str(eval(call, {**values(), **libraries, "fit": fit}))
    except JaxaeError as error:
        return str(error)


def cases() -> list[Any]:
    return [
        pytest.param(
            row,
            id=row.kind,
            marks=[pytest.mark.slow] if any(f"{name}." in row.call for name in HEAVY) else [],
        )
        for row in situations()
    ]


@pytest.mark.parametrize("row", cases())
def test_the_row_is_true(row: Situation, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    if ".h5" in row.call and not Path("x.h5").exists():
        pytest.importorskip("h5py")
        write_h5(folder)
    result = attempt(row.call)
    assert "\n" not in result and result == row.result


def test_there_are_forty_situations() -> None:
    assert len(situations()) >= 40 and len({row.call for row in situations()}) == len(situations())
