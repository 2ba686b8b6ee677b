"""Transfer of one file over HTTP: into a partial file, resumed after an interruption, with `requests`.

`requests` reads the proxies from HTTP_PROXY, HTTPS_PROXY and NO_PROXY. pooch is not used, since version 1.9
deletes the partial file of an interrupted download.
"""

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxae.data.downloads.description import RemoteFile, format_bytes
from jaxae.data.files import one_line
from jaxae.errors import JaxaeError

CONNECT_SECONDS, READ_SECONDS = 10, 60
BLOCK_BYTES = 1 << 16
MAX_FAILURES = 3  # interruptions in a row without a further byte
WAIT_SECONDS = 1.0
WEB_PAGE = "a web page (HTML) instead of the file"

Report = Callable[[int], None]  # gets the number of bytes that have arrived


class Unavailable(Exception):
    """An address that does not give the file; the message is the reason, and the next address is tried."""


class _Interruption(Exception):
    """A connection that ended within the file; the transfer is resumed."""


def transfer(url: str, file: RemoteFile, part: Path, report: Report) -> None:
    """Complete the partial file from one address.

    Args:
        url: The address.
        file: The expected file.
        part: The partial file; its bytes are kept and only the rest is requested.
        report: The function that gets the number of bytes after each block.

    Raises:
        Unavailable: If the address cannot be reached or gives something else.
        JaxaeError: If the partial file cannot be written.
    """
    failures, before = 0, -1
    while failures < MAX_FAILURES:
        try:
            return _request_rest(url, file, part, report)
        except _Interruption as error:
            reason = str(error)
        # A slow server may end each connection after some time. That is no failure as long as bytes arrive.
        failures = failures + 1 if _size(part) <= before else 0
        before = _size(part)
        time.sleep(WAIT_SECONDS * failures)
    raise Unavailable(reason)


def _request_rest(url: str, file: RemoteFile, part: Path, report: Report) -> None:
    """Request the bytes that the partial file lacks, and append them."""
    import requests
    import urllib3

    start = _size(part)
    if file.size is not None and start == file.size:
        return
    if file.size is not None and start > file.size:
        part.unlink()
        start = 0
    # Without `identity` a server may pack the answer, whose bytes then are not those of the file.
    headers = {"Accept-Encoding": "identity", "User-Agent": "jaxae"}
    headers |= {"Range": f"bytes={start}-"} if start else {}
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
        ) as response:
            start = _accepted_start(response, file, part, start)
            _append(response, part, start, report)
    except requests.ConnectionError as error:
        raise Unavailable(_explain_connection(error)) from error
    except requests.RequestException as error:
        raise Unavailable(one_line(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise _Interruption(f"the connection ended after {format_bytes(_size(part))}") from error
    if file.size is not None and _size(part) < file.size:
        raise _Interruption(f"the file ended after {_size(part)} bytes, expected {file.size}")


def _accepted_start(response: Any, file: RemoteFile, part: Path, start: int) -> int:
    """Check the head of a response, and return the position in the file at which its body starts."""
    if response.status_code == 416:  # the range is not satisfiable: the partial file is of another file
        part.unlink(missing_ok=True)
        raise _Interruption("the partial file does not belong to this file")
    if response.status_code not in (200, 206):
        raise Unavailable(f"HTTP {response.status_code} {response.reason}".strip())
    # 200 instead of 206: the server does not support ranges and gives the whole file.
    start = start if response.status_code == 206 else 0
    length = response.headers.get("Content-Length")
    if file.size is not None and length is not None and start + int(length) != file.size:
        # The type alone decides nothing: servers may call a file of an unknown kind a page, too.
        if "text/html" in response.headers.get("Content-Type", ""):
            raise Unavailable(WEB_PAGE)
        raise Unavailable(f"a file of {start + int(length)} bytes, expected {file.size}")
    return start


def _append(response: Any, part: Path, start: int, report: Report) -> None:
    """Write the body of a response to the partial file, from `start` on."""
    # `decode_content=False`: some servers mark .gz files as packed, and requests would unpack them.
    blocks: Iterator[bytes] = response.raw.stream(BLOCK_BYTES, decode_content=False)
    first = next(blocks, b"")
    # Portals of networks answer every request with their page. No known file starts with "<".
    if start == 0 and first.lstrip().startswith(b"<"):
        raise Unavailable(WEB_PAGE)
    with _open(part, "ab" if start else "wb") as stream:
        while first:
            _write(stream, first, part)
            start += len(first)
            report(start)
            first = next(blocks, b"")


def _open(part: Path, mode: str) -> Any:
    try:
        return part.open(mode, buffering=0)
    except OSError as error:
        raise JaxaeError(f"{part}: cannot be written: {one_line(error)}") from error


def _write(stream: Any, block: bytes, part: Path) -> None:
    """Write one block; raise JaxaeError if the disk is full or fails."""
    # Caught here, since requests' exceptions are OSErrors too and would be mistaken for those of the disk.
    try:
        stream.write(block)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = format_bytes(shutil.disk_usage(part.parent).free)
            raise JaxaeError(
                f"{part.parent}: the disk is full ({free} free); free some space and repeat the command,"
                " which resumes, or choose another folder by --folder"
            ) from error
        raise JaxaeError(f"{part}: cannot be written: {one_line(error)}") from error


def _explain_connection(error: Exception) -> str:
    """Return in few words why there is no connection."""
    text = str(error)
    if "proxy" in text.lower():
        return "the proxy does not answer"
    if any(word in text for word in ("NameResolution", "getaddrinfo", "Name or service")):
        return "the host name is unknown (no network?)"
    return "no connection"


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
