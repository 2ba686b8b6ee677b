from pathlib import Path

import pytest

from jaxae.data import DataSpec, load
from tests.data.files import complaint
from tests.data.known_files import write_cifar


def ask(folder: Path) -> DataSpec:
    return DataSpec(name="cifar10", folder=str(folder), num_validation=0, num_test=1)


def test_classes_are_named(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    dataset = load(ask(tmp_path))
    assert dataset.classes[0] == "airplane" and dataset.classes[9] == "truck"
    assert dataset.description == "cifar10: 40 train, 0 validation, 8 test, 32x32x3 uint8, 8 classes"


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"batches": 4}, "holds no data_batch_5.bin"), ({"label": 10}, "label 10 in row 0, expected 0 to 9")],
)
def test_other_archives_are_refused(tmp_path: Path, options: dict[str, int], expected: str) -> None:
    write_cifar(tmp_path, **options)
    assert expected in complaint(load, ask(tmp_path))


def test_a_batch_that_ends_within_a_row_is_refused() -> None:
    from jaxae.data.sources import cifar

    assert "3072 bytes, expected a multiple of 3073" in complaint(cifar.parse, "here", bytes(3072))
