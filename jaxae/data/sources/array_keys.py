"""Names of arrays in .npz and .h5 files: which are the rows and labels of each split."""

from collections.abc import Sequence

from jaxae.errors import JaxaeError, nearest

# Every other name is an error: a typing error such as "x_tset" would silently leave out a split.
KEYS = ("x", "y", "x_validation", "y_validation", "x_test", "y_test", "factors")
# The names of Keras's files, such as mnist.npz, and of scikit-learn's `train_test_split`.
ALIASES = {"x_train": "x", "y_train": "y", "x_val": "x_validation", "y_val": "y_validation"} | {
    "X": "x",
    **{f"X_{split}": f"x_{split}" for split in ("validation", "test")},
    "X_train": "x",
    "X_val": "x_validation",
}
SPLITS = {"train": "", "validation": "_validation", "test": "_test"}


def by_split(
    names: Sequence[str], key: str, label: str | None, where: str
) -> dict[str, tuple[str, str | None]]:
    """Return the names of the rows and labels of each split.

    Args:
        names: The names of all arrays of a file.
        key: The name of the rows, if the user gives it; "" uses `KEYS`, `ALIASES`, or the only array.
        label: The name of the labels, if the user gives it.
        where: The file, for error messages.

    Returns:
        Split -> (name of the rows, name of the labels or None).

    Raises:
        JaxaeError: If names are missing, unknown or ambiguous.
    """
    for name in (key, label):
        if name and name not in names:
            raise JaxaeError(f"{where}: has no array {name!r}; {nearest(name, names)}")
    if key or len(names) == 1 or label:
        return {"train": (key or _only(names, label, where), label)}
    known = {ALIASES.get(name, name): name for name in names}
    unknown = [name for name in names if ALIASES.get(name, name) not in KEYS]
    if unknown or "x" not in known or len(known) < len(names):
        raise JaxaeError(
            f"{where}: holds {', '.join(names[:20]) or 'nothing'}; expected x, and optionally"
            f" {', '.join(KEYS[1:])} (or x_train, y_train, ...); or name the rows: --data.name"
            f" {where}:{(unknown or names or ['KEY'])[0]}, and the labels: --data.label KEY"
        )
    pairs = {}
    for split, suffix in SPLITS.items():
        if f"x{suffix}" in known:
            pairs[split] = (known[f"x{suffix}"], known.get(f"y{suffix}"))
        elif f"y{suffix}" in known:
            raise JaxaeError(f"{where}: holds {known[f'y{suffix}']} but no x{suffix}")
    return pairs


def _only(names: Sequence[str], label: str | None, where: str) -> str:
    """Return the only array next to the labels, or `x`."""
    others = [name for name in names if name != label]
    rows = [name for name in others if ALIASES.get(name, name) == "x"] or others
    if len(rows) != 1:
        raise JaxaeError(f"{where}: holds {', '.join(others[:20])}; name the rows: --data.name FILE:KEY")
    return rows[0]
