"""Files as they were published: plain or gzip, read whole, never half."""

import zlib
from pathlib import Path

from jaxae.errors import JaxaeError


def read_bytes(path: Path) -> tuple[bytes, bool]:
    """The content of a plain or .gz file, and whether it is complete (a gzip file may be cut off)."""
    try:
        content = path.read_bytes()
        return _gunzip(content) if path.suffix == ".gz" else (content, True)
    except zlib.error as error:
        raise JaxaeError(f"{path}: corrupt gzip file: {one_line(error)}") from error
    except OSError as error:
        raise JaxaeError(f"{path}: cannot be read: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """What an exception says, as one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _gunzip(packed: bytes) -> tuple[bytes, bool]:
    # Not gzip.open: at a cut it gives nothing of the last block, and messages count what was found.
    pieces = []
    while packed:
        member = zlib.decompressobj(wbits=31)
        pieces.append(member.decompress(packed))
        if not member.eof:
            return b"".join(pieces), False
        packed = member.unused_data.lstrip(b"\0")
    return b"".join(pieces), bool(pieces)
