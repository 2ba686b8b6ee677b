"""Description of a data set that can be downloaded: its files, splits, licence and citation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """One original file.

    Attributes:
        name: The file name, as it is stored in FOLDER/NAME of the data set.
        size: The number of bytes; None if no public source states it.
        checksum: `sha256:HEX`, or `git:HEX` for the blob id of a file in a Git repository.
        urls: The official address, then official mirrors, in the order in which they are tried.
    """

    name: str
    size: int | None
    checksum: str
    urls: tuple[str, ...]

    @property
    def stem(self) -> str:
        """Name without .gz: readers accept the packed and the unpacked file."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class KnownData:
    """One data set.

    Attributes:
        name: Its name, as in `DataSpec.name`.
        title: The full name and the kind of images.
        splits: The official splits, and the size of an image.
        licence: The licence, or what is known about it.
        citation: The publication to cite, in one line.
        homepage: The page of its authors.
        files: The original files.
    """

    name: str
    title: str
    splits: str
    licence: str
    citation: str
    homepage: str
    files: tuple[RemoteFile, ...]

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the files without .gz."""
        return tuple(file.stem for file in self.files)

    @property
    def size(self) -> str:
        """Size of all files, such as `11.6 MB`; "size not stated" if it is unknown."""
        sizes = [file.size for file in self.files]
        return "size not stated" if None in sizes else format_bytes(sum(size or 0 for size in sizes))

    @property
    def facts(self) -> dict[str, str]:
        """Title, licence and so on, by the words under which they are printed."""
        return {
            "title": f"{self.title}; {self.splits}",
            "licence": self.licence,
            "citation": self.citation,
            "homepage": self.homepage,
            "size": f"{self.size} in {len(self.files)} file{'s' if len(self.files) > 1 else ''}",
        }


def format_bytes(num: int) -> str:
    """Return a number of bytes with its unit.

    Example:
        >>> format_bytes(11_594_722), format_bytes(4_542), format_bytes(1_446_327_224)
        ('11.6 MB', '5 kB', '1.4 GB')
    """
    for unit, size, digits in (("GB", 10**9, 1), ("MB", 10**6, 1), ("kB", 10**3, 0)):
        if num >= size:
            return f"{num / size:.{digits}f} {unit}"
    return f"{num} bytes"
