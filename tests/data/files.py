"""Files to test with, written as their publishers write them."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxae.data.files import quiet
from jaxae.errors import JaxaeError

PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def complaint(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The one line that a JaxaeError says; the test fails where there is none, or more than one."""
    with pytest.raises(JaxaeError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def bytes_of(shape: tuple[int, ...], high: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, high, shape).astype(np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(path: Path, array: np.ndarray) -> None:
    content = idx_bytes(array)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def mnist_arrays() -> list[np.ndarray]:
    return [
        bytes_of((40, 28, 28)),
        bytes_of((40,), 10, 1),
        bytes_of((10, 28, 28), seed=2),
        bytes_of((10,), 10, 3),
    ]


def write_mnist(place: Path, suffix: str = ".gz") -> list[np.ndarray]:
    """Four small IDX files: 40 training rows and 10 test rows of 28x28."""
    arrays = mnist_arrays()
    for part, array in zip(PARTS, arrays, strict=True):
        write_idx(place / f"{part}{suffix}", array)
    return arrays


def amat_bytes(array: np.ndarray) -> bytes:
    return "".join(" ".join(map(str, row)) + " \n" for row in array.reshape(len(array), -1)).encode()


def write_amat(place: Path, suffix: str = ".gz") -> dict[str, np.ndarray]:
    """Three small files of zeros and ones: 30, 6 and 5 rows of 28x28."""
    sizes = {"train": 30, "valid": 6, "test": 5}
    arrays = {name: bytes_of((size, 28, 28), 2, size) for name, size in sizes.items()}
    place.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        content = amat_bytes(array)
        path = place / f"binarized_mnist_{name}.amat{suffix}"
        path.write_bytes(gzip.compress(content) if suffix == ".gz" else content)
    return arrays


def write_image(path: Path, array: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)


def write_classes(
    folder: Path, num: int = 12, shape: tuple[int, ...] = (6, 5)
) -> tuple[np.ndarray, np.ndarray]:
    """PNG images in the sub-folders `ant` and `bee`; x and y in sorted order."""
    x = bytes_of((num, *shape))
    for i, image in enumerate(x):
        write_image(folder / ("ant" if i < num // 2 else "bee") / f"{i:03d}.png", image)
    return x, (np.arange(num) >= num // 2).astype(np.int32)


def write_tfds(
    root: Path, features: dict[str, Any], rows: dict[str, list[dict[str, Any]]], **settings: Any
) -> Path:
    """A TFDS data set `made` of any features, as some other tool would write it."""
    import tensorflow_datasets as real
    from tensorflow_datasets.core import registered

    name, version = settings.get("name", "made"), settings.get("version", "1.0.0")
    config = settings.get("config")

    def info(self: Any) -> Any:
        return real.core.DatasetInfo(builder=self, features=real.features.FeaturesDict(features))

    def generate(self: Any, split: str) -> Any:
        return enumerate(rows[split])

    members = {"name": name, "VERSION": real.core.Version(version), "_info": info, "__module__": __name__}
    members |= {"_split_generators": lambda self, _: {split: generate(self, split) for split in rows}}
    members |= {"_generate_examples": generate}
    if config:
        members["BUILDER_CONFIGS"] = [real.core.BuilderConfig(name=config)]
    real.disable_progress_bar()
    with registered.skip_registration():
        builder = type(name, (real.core.GeneratorBasedBuilder,), members)(
            data_dir=root, file_format="array_record"
        )
    with quiet():
        builder.download_and_prepare()
    return Path(builder.data_path)


def tensor(shape: tuple[int, ...] = (4, 5, 1), dtype: Any = np.uint8) -> Any:
    import tensorflow_datasets as real

    return real.features.Tensor(shape=shape, dtype=dtype)
