"""Checksums of files: SHA-256, and the blob id that Git gives a file."""

import hashlib
from pathlib import Path


def compute(path: Path, algorithm: str) -> str:
    """Return the checksum of a file as a hexadecimal number.

    Args:
        path: The file.
        algorithm: `sha256`, or `git` for the SHA-1 of Git's header and the content.

    Returns:
        The checksum, in lower case.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as stream:
        if algorithm == "git":
            digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
            while block := stream.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
        return hashlib.file_digest(stream, algorithm).hexdigest()


def difference(path: Path, expected: str) -> str:
    """Compare a file with its known checksum.

    Args:
        path: The file.
        expected: `sha256:HEX` or `git:HEX`.

    Returns:
        "" if they are equal, else one line such as `sha256 12ab34cd…, expected 98fe76dc…`.

    Raises:
        OSError: If the file cannot be read.
    """
    algorithm, _, value = expected.partition(":")
    found = compute(path, algorithm)
    return "" if found == value else f"{algorithm} {found[:8]}…, expected {value[:8]}…"
