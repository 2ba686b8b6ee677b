"""Writes TFDS data sets (array_record, no TensorFlow) from files that lie on disk. Nothing is downloaded."""

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.files import one_line, quiet, tfds_root
from jaxae.data.original import Checked, check
from jaxae.data.row_source import chunks
from jaxae.data.sources import catalog
from jaxae.data.sources.tfds import versions
from jaxae.errors import JaxaeError

OURS = ("mnist", "fashion_mnist", "binarized_mnist")


def prepared_at(name: str, out_dir: str | Path | None = None) -> Path | None:
    """Where `name` already lies prepared below `out_dir`, or None."""
    found = versions(_out_dir(out_dir) / name)
    return found[-1] if found else None


def prepare(name: str, source_folder: str | Path, out_dir: str | Path | None = None) -> Path:
    """Writes the TFDS data set `name` below `out_dir`, unless it is there; returns its folder.

    `mnist`, `fashion_mnist` and `binarized_mnist` are made of the original files in `source_folder`; any
    other name of a folder of images or a .npz or .npy file. Rows keep their order, so that the content
    hash is that of the source, but where its labels are texts: of them only numbers and class names are
    written. `tfds.data_source(name, data_dir=out_dir)` reads it. None for `out_dir` is where `tfds:NAME` is
    looked for.
    """
    there = prepared_at(name, out_dir)
    if there:
        return there
    version = _version(name)
    source = Path(source_folder).expanduser()
    original = catalog.read(name, str(source)) if name in OURS else catalog.read_path(source)
    checked = check(original)
    if len(checked.splits["train"].x.shape) != 4:
        raise JaxaeError(f"{source}: rows of shape {checked.splits['train'].x.shape[1:]}, expected images")
    return _write(name, version, checked, _out_dir(out_dir))


def _out_dir(out_dir: str | Path | None) -> Path:
    return Path(out_dir).expanduser() if out_dir else tfds_root(None)


def _version(name: str) -> str:
    """TFDS's own version of a data set of ours, by which its plain name finds it; 1.0.0 for others."""
    import tensorflow_datasets as tfds

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise JaxaeError(
            f"{name!r}: not a name for a TFDS data set, expected lower case letters, digits and _"
        )
    if name in OURS:
        return str(tfds.builder_cls(name).VERSION)
    if name in tfds.list_builders(with_community_datasets=False):
        raise JaxaeError(
            f"{name!r}: TFDS has a data set of this name; choose another (or one of {', '.join(OURS)})"
        )
    return "1.0.0"


def _write(name: str, version: str, checked: Checked, out_dir: Path) -> Path:
    """Writes beside the goal and renames, so that what is half written never has the name of a whole one."""
    goal = out_dir / name / version
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".preparing-", dir=out_dir))
    except OSError as error:
        raise JaxaeError(f"{out_dir}: cannot be written: {one_line(error)}") from error
    try:
        builder = _builder(name, version, checked, scratch)
        with quiet(), _silent():
            builder.download_and_prepare()
        goal.parent.mkdir(exist_ok=True)
        os.replace(builder.data_path, goal)
    except OSError as error:
        raise JaxaeError(f"{goal}: cannot be written: {one_line(error)}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return goal


def _builder(name: str, version: str, checked: Checked, data_dir: Path) -> Any:
    """A TFDS builder over the checked splits; TFDS wants a class of its own for each data set."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    features = _features(checked)
    keys = ("image", "label") if "label" in features else None

    def info(self: Any) -> Any:
        # Unshuffled: the rows, and with them the content hash, stay those of the source.
        return tfds.core.DatasetInfo(
            builder=self, features=features, supervised_keys=keys, disable_shuffling=True
        )

    def split_generators(self: Any, manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in checked.splits}

    def generate_examples(self: Any, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        return _examples(checked.splits[split], features)

    members = {"name": name, "VERSION": tfds.core.Version(version), "_info": info}
    members |= {"_split_generators": split_generators, "_generate_examples": generate_examples}
    with registered.skip_registration():
        cls = type(name, (tfds.core.GeneratorBasedBuilder,), members | {"__module__": __name__})
    return cls(data_dir=data_dir, file_format="array_record")


def _features(checked: Checked) -> Any:
    """`image`, as PNG where it is grey or RGB bytes, and `label` where there are labels."""
    import tensorflow_datasets as tfds

    x, y = checked.splits["train"].x, checked.splits["train"].y
    is_png = x.dtype == np.uint8 and x.shape[-1] in (1, 3)
    image = tfds.features.Image if is_png else tfds.features.Tensor
    features = {"image": image(shape=x.shape[1:], dtype=x.dtype)}
    if checked.classes and not isinstance(y, tuple):
        features["label"] = tfds.features.ClassLabel(names=_class_names(checked.classes))
    elif not isinstance(y, tuple):
        most = max(int(part.y.max()) for part in checked.splits.values())
        features["label"] = tfds.features.ClassLabel(num_classes=most + 1)
    return tfds.features.FeaturesDict(features)


def _class_names(classes: tuple[str, ...]) -> list[str]:
    """JaxaeError for a name that TFDS, which keeps names as lines of a file, would read back as another."""
    for number, name in enumerate(classes):
        if name.splitlines(keepends=True) != [name.strip()]:
            raise JaxaeError(
                f"class {number}, {name!r}: no name for TFDS, expected one line without outer spaces"
            )
    return list(classes)


def _examples(examples: Any, features: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, features) of each row; as Pillow images, which TFDS encodes without TensorFlow."""
    import tensorflow_datasets as tfds
    from PIL import Image

    is_image = isinstance(features["image"], tfds.features.Image)
    for start, rows in chunks(examples.x):
        for i, row in enumerate(rows, start):
            image = Image.fromarray(row.squeeze(-1) if row.shape[-1] == 1 else row) if is_image else row
            yield (
                i,
                {"image": image} | ({} if isinstance(examples.y, tuple) else {"label": int(examples.y[i])}),
            )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """TFDS prints and draws progress bars of its own."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
