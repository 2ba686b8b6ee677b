"""Preparation of TFDS data sets (array_record, without TensorFlow) from files on disk.

Nothing is downloaded.
"""

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

from jaxae.data.data_spec import DataSpec
from jaxae.data.files import expanded, one_line, quiet, tfds_root
from jaxae.data.original import Checked, check
from jaxae.data.row_source import chunks
from jaxae.data.sources import catalog
from jaxae.data.sources.tfds import versions
from jaxae.errors import JaxaeError

OWN_NAMES = ("mnist", "fashion_mnist", "binarized_mnist")


def prepared_at(name: str, out_dir: str | Path | None = None) -> Path | None:
    """Return the folder of the newest prepared version of a TFDS data set, or None if there is none.

    Args:
        name: The name of the data set.
        out_dir: The folder of TFDS data sets; None for the default of `tfds:NAME`.

    Returns:
        The folder, or None.
    """
    folders = versions(_resolve_out_dir(out_dir) / name)
    return folders[-1] if folders else None


def prepare(name: str, source_folder: str | Path, out_dir: str | Path | None = None) -> Path:
    """Write a TFDS data set from original files, unless it exists already.

    Rows keep their order, so the content hash is that of the source. Only if labels are texts does the hash
    differ: TFDS keeps their numbers and the class names.

    `tfds.data_source(name, data_dir=out_dir)` reads the data set.

    Args:
        name: `mnist`, `fashion_mnist` or `binarized_mnist` for their original files; any other name for a
            folder of images, a .npz or a .npy file.
        source_folder: The folder with the original files, or the path of the images or arrays.
        out_dir: The folder to write to; None for the folder in which `tfds:NAME` is looked up.

    Returns:
        The folder of the data set.

    Raises:
        JaxaeError: If the source cannot be used, the name is taken or not valid, or writing fails.
    """
    existing = prepared_at(name, out_dir)
    if existing:
        return existing
    # A wrong name is refused before any file is read.
    version = _choose_version(name)
    source = expanded(source_folder)
    data = DataSpec(name=name if name in OWN_NAMES else str(source), folder=str(source))
    original = catalog.read(data) if name in OWN_NAMES else catalog.read_path(data.name, data)
    checked = check(original)
    if len(checked.splits["train"].x.shape) != 4:
        raise JaxaeError(f"{source}: rows of shape {checked.splits['train'].x.shape[1:]}, expected images")
    return _write(name, version, checked, _resolve_out_dir(out_dir))


def _resolve_out_dir(out_dir: str | Path | None) -> Path:
    return expanded(out_dir) if out_dir else tfds_root(None)


def _choose_version(name: str) -> str:
    """Return TFDS's own version for data sets in `OWN_NAMES`, so that plain names find them; else 1.0.0."""
    import tensorflow_datasets as tfds

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise JaxaeError(
            f"{name!r}: not a name for a TFDS data set, expected lower-case letters, digits and _"
        )
    if name in OWN_NAMES:
        return str(tfds.builder_cls(name).VERSION)
    # TFDS would take its own builder for this name, with other features, and fail to read these files.
    if name in tfds.list_builders(with_community_datasets=False):
        raise JaxaeError(
            f"{name!r}: TFDS has a data set of this name; choose another, or one of {', '.join(OWN_NAMES)}"
        )
    return "1.0.0"


def _write(name: str, version: str, checked: Checked, out_dir: Path) -> Path:
    """Write the data set to a scratch folder, then rename it: an interrupted write leaves no broken one."""
    target = out_dir / name / version
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        # In the same folder, because a rename is atomic only within one file system.
        scratch = Path(tempfile.mkdtemp(prefix=".preparing-", dir=out_dir))
    except OSError as error:
        raise JaxaeError(f"{out_dir}: cannot be written: {one_line(error)}") from error
    try:
        builder = _make_builder(name, version, checked, scratch)
        with quiet(), _silence_output():
            builder.download_and_prepare()
        target.parent.mkdir(exist_ok=True)
        os.replace(builder.data_path, target)
    except OSError as error:
        raise JaxaeError(f"{target}: cannot be written: {one_line(error)}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _make_builder(name: str, version: str, checked: Checked, data_dir: Path) -> Any:
    """Return a TFDS builder over the checked splits."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    # TFDS needs one class for each data set, which is therefore made here at run time.
    features = _make_features(checked)
    keys = ("image", "label") if "label" in features else None

    def info(self: Any) -> Any:
        # TFDS shuffles by default when it writes. Unshuffled, rows and content hash stay those of the source.
        return tfds.core.DatasetInfo(
            builder=self, features=features, supervised_keys=keys, disable_shuffling=True
        )

    def split_generators(self: Any, manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in checked.splits}

    def generate_examples(self: Any, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        return _encode_rows(checked.splits[split], features)

    members = {"name": name, "VERSION": tfds.core.Version(version), "_info": info}
    members |= {"_split_generators": split_generators, "_generate_examples": generate_examples}
    with registered.skip_registration():
        cls = type(name, (tfds.core.GeneratorBasedBuilder,), members | {"__module__": __name__})
    return cls(data_dir=data_dir, file_format="array_record")


def _make_features(checked: Checked) -> Any:
    """Return the TFDS features: `image`, as PNG for grey or RGB bytes, and `label` if there are labels."""
    import tensorflow_datasets as tfds

    x, y = checked.splits["train"].x, checked.splits["train"].y
    # PNG is compressed without loss but holds only bytes; Tensor features hold everything else.
    is_png = x.dtype == np.uint8 and x.shape[-1] in (1, 3)
    image = tfds.features.Image if is_png else tfds.features.Tensor
    features = {"image": image(shape=x.shape[1:], dtype=x.dtype)}
    if checked.classes and not isinstance(y, tuple):
        features["label"] = tfds.features.ClassLabel(names=_check_class_names(checked.classes))
    elif not isinstance(y, tuple):
        # The largest label may occur in a held-out split only.
        largest = max(int(part.y.max()) for part in checked.splits.values())
        features["label"] = tfds.features.ClassLabel(num_classes=largest + 1)
    return tfds.features.FeaturesDict(features)


def _check_class_names(classes: tuple[str, ...]) -> list[str]:
    """Return the class names as a list; raise JaxaeError for names that TFDS would read back changed."""
    for number, name in enumerate(classes):
        # TFDS stores one name on each line of a file and strips it.
        if name.splitlines(keepends=True) != [name.strip()]:
            raise JaxaeError(
                f"class {number}: got the name {name!r}, expected one line without spaces at its ends"
            )
    return list(classes)


def _encode_rows(examples: Any, features: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number, features) of each row."""
    import tensorflow_datasets as tfds
    from PIL import Image

    # TFDS encodes NumPy images with TensorFlow, but Pillow images without it (TFDS 4.9.10).
    is_image = isinstance(features["image"], tfds.features.Image)
    for start, rows in chunks(examples.x):
        for i, row in enumerate(rows, start):
            image = Image.fromarray(row.squeeze(-1) if row.shape[-1] == 1 else row) if is_image else row
            yield (
                i,
                {"image": image} | ({} if isinstance(examples.y, tuple) else {"label": int(examples.y[i])}),
            )


@contextlib.contextmanager
def _silence_output() -> Iterator[None]:
    """Discard the messages and progress bars that TFDS prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
