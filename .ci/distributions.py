"""Build the source distribution and the wheel, and check which files they hold.

    python .ci/distributions.py [FOLDER]    FOLDER: dist by default

It needs `uv` on PATH, or installs it from the package index for this one call.
"""

import contextlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 100_000  # bytes of a file in the wheel: sources and the assets of a page are smaller
# Files that are no modules, but without which a command, a page or a type checker fails.
ASSETS = {
    "jaxae/py.typed",
    "jaxae/__init__.pyi",
    *(f"jaxae/reports/assets/page.{kind}" for kind in ("html", "css", "js")),
}


class Unavailable(Exception):
    """Something that this machine lacks: uv, an interpreter, or the package index."""


@contextlib.contextmanager
def uv() -> Iterator[str]:
    """Yield the path of uv, which is installed into a throw-away environment if it is not on PATH.

    Raises:
        Unavailable: If it cannot be installed.
    """
    found = shutil.which("uv")
    if found:
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="jaxae-uv-") as folder:
        venv.create(folder, with_pip=True)
        command = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "uv"]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            raise Unavailable("uv is not on PATH, and pip cannot install it")
        yield f"{folder}/bin/uv"


def build(uv: str, folder: Path) -> Path:
    """Build both distributions and check them.

    Args:
        uv: Path of uv.
        folder: Folder that receives them; wheels and source distributions in it are removed first.

    Returns:
        The path of the wheel that was built from the source distribution.

    Raises:
        Unavailable: If the build backend cannot be had.
        SystemExit: If a file is missing, or is in it and should not be.
    """
    for old in [*folder.glob("jaxae-*.whl"), *folder.glob("jaxae-*.tar.gz")]:
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="jaxae-wheel-") as other:
        # Without further options the wheel is built from the source distribution, as pip does for a user.
        for target, options in ((folder, []), (Path(other), ["--wheel"])):
            command = [uv, "build", "--quiet", *options, "--out-dir", str(target), str(ROOT)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise Unavailable(f"uv build failed: {done.stderr.strip()}")
        (wheel,), (source,), (direct,) = (
            list(place.glob(name))
            for place, name in (
                (folder, "jaxae-*.whl"),
                (folder, "jaxae-*.tar.gz"),
                (Path(other), "jaxae-*.whl"),
            )
        )
        mistakes = mistakes_in_wheel(sizes(wheel)) + [
            f"in only one of the wheels from the tree and from the source distribution: {name}"
            for name in sorted(sizes(wheel).keys() ^ sizes(direct).keys())
        ]
    with tarfile.open(source) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}
    mistakes += [f"in the source distribution: {name}" for name in sorted(tops & {"tests", "docs", ".ci"})]
    if mistakes:
        raise SystemExit("\n".join(mistakes))
    print(f"{source.name} and {wheel.name}: {len(sizes(wheel))} files in the wheel")
    return wheel


def sizes(wheel: Path) -> dict[str, int]:
    """Return the size of each file of a wheel, in bytes."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


def mistakes_in_wheel(files: dict[str, int]) -> list[str]:
    """Return one line for each file that is missing in a wheel, or that should not be in it.

    Args:
        files: Size of each file in bytes, by its name in the wheel.
    """
    tracked = [ROOT / name for name in ("configs", "jaxae")]
    sources = {file for folder in tracked for file in folder.rglob("*.py")}
    expected = {
        str(file.relative_to(ROOT)).replace("configs/", "jaxae/_configs/", 1)
        if file.is_relative_to(ROOT / "configs")
        else str(file.relative_to(ROOT))
        for file in sources
    } | ASSETS
    inside = {name for name in files if ".dist-info/" not in name}
    return [
        *(f"missing in the wheel: {name}" for name in sorted(expected - inside)),
        *(f"in the wheel: {name}" for name in sorted(inside - expected)),
        *(f"larger than {LARGEST} bytes: {name}" for name, size in files.items() if size > LARGEST),
    ]


if __name__ == "__main__":
    try:
        with uv() as path:
            build(path, Path(*sys.argv[1:2] or ["dist"]).resolve())
    except Unavailable as reason:
        raise SystemExit(f"no distribution is built: {reason}") from None
