"""The files at REPLAY_PATH and the members of their archives, opened as streams of bytes.

Every stream is bounded: an archive with too many members, or one whose members unpack to far more
than they could honestly hold, is refused.
"""

import bz2
import glob
import gzip
import lzma
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from ohlc_core.errors import SettingsError
from ohlc_history.sources.base import SourceError

_MAX_MEMBERS = 100_000
# Deflate cannot do better than about 1 : 1032; trades come to 3 to 10.
_MAX_MEMBER_BYTES = 1 << 40
_PACKED = (".gz", ".bz2", ".xz", ".zst")
#: What is beside data and is none: checksums, notes, what systems leave behind.
_NO_DATA = (".checksum", ".md5", ".sha1", ".sha256", ".asc", ".sig", ".md", ".pdf", ".html", ".ini")
_NO_DATA_NAMES = {"thumbs.db", "desktop.ini", "license", "license.txt", "readme", "readme.txt"}

_zips: dict[tuple[str, float, int], zipfile.ZipFile] = {}
_zips_lock = threading.Lock()


class DataFile(NamedTuple):
    """A file, or a member of a zip.

    Attributes:
        path: the file on disk.
        member: its name in the zip; None for the file itself.
    """

    path: Path
    member: str | None = None

    @property
    def part(self) -> str:
        """Its name in messages."""
        return self.path.name if self.member is None else f"{self.path.name}/{self.member}"

    @property
    def name(self) -> str:
        """Its own name without folders and without the suffix of a compression, lower case."""
        name = Path(self.member or self.path.name).name.lower()
        for packed in _PACKED:
            name = name.removesuffix(packed)
        return name

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed itself, beside a zip it may be in."""
        return (self.member or self.path.name).lower().endswith(_PACKED)

    @property
    def stem(self) -> str:
        """Its name up to the first dot."""
        return Path(self.member or self.path.name).name.split(".")[0]

    @property
    def size(self) -> int:
        """Its bytes, unpacked where that is known."""
        if self.member is None:
            return self.path.stat().st_size
        return _zip(self.path).getinfo(self.member).file_size


def paths_at(path: str) -> list[Path]:
    """Return the files REPLAY_PATH names: a file, a folder's own files, or a pattern's.

    What exists under the name given is taken, whatever characters it has; only then is the name
    a pattern.

    Raises:
        SettingsError: there is no such file.
    """
    given = Path(path).expanduser()
    try:
        if given.is_dir():
            found = [file for file in given.iterdir() if file.is_file()]
        elif given.is_file():
            found = [given]
        else:
            matches = glob.glob(str(given), recursive=True)
            found = [file for match in matches if (file := Path(match)).is_file()]
    except OSError as error:  # a name that is too long, or a folder that may not be read
        raise SettingsError(
            f"REPLAY_PATH was {path!r} ({error.strerror}); allowed: a file, folder or glob"
        ) from None
    if not found:
        raise SettingsError(
            f"REPLAY_PATH was {path!r}, where there is no file; allowed: a file, folder or glob"
        )
    return sorted({file for file in found if not _is_no_data(file.name)})


def members_of(path: Path) -> list[DataFile]:
    """Return the members of a zip, in its order, without folders and what is no data.

    Raises:
        SourceError: the zip is damaged, or has too many members.
    """
    members = _zip(path).infolist()
    if len(members) > _MAX_MEMBERS:
        raise SourceError(f"{path.name}: has {len(members):,} members, more than {_MAX_MEMBERS:,}")
    return [
        DataFile(path, member.filename)
        for member in members
        if not member.is_dir()
        and "__MACOSX" not in member.filename
        and not _is_no_data(Path(member.filename).name)
    ]


@contextmanager
def opened(file: DataFile) -> Iterator[IO[bytes]]:
    """Open a file for reading its unpacked bytes.

    Raises:
        SourceError: it cannot be opened, is damaged, encrypted or packed in an unknown way.
    """
    with readable(file.part), _opened(file) as stream:
        yield stream


@contextmanager
def readable(part: str) -> Iterator[None]:
    """Turn what a damaged or unsupported file raises into a SourceError of one line."""
    try:
        yield
    except NotImplementedError as error:
        raise SourceError(
            f"{part}: is packed in a way that cannot be read ({error}); unpack it, or pack it as "
            "an ordinary zip"
        ) from None
    except RuntimeError as error:
        if isinstance(error, SourceError) or "password" not in str(error):
            raise
        raise SourceError(f"{part}: is encrypted; unpack it first") from None
    except (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SourceError(f"{part}: is damaged ({error}); fetch it again") from None
    except OSError as error:
        reason = error.strerror or f"is damaged: {error}"
        raise SourceError(f"{part}: cannot be read ({reason})") from None


@contextmanager
def _opened(file: DataFile) -> Iterator[IO[bytes]]:
    if file.member is None:
        with file.path.open("rb") as raw, _unpacked(raw, file.path.name) as stream:
            yield stream
        return
    info = _zip(file.path).getinfo(file.member)
    if info.file_size > _MAX_MEMBER_BYTES:
        raise SourceError(f"{file.part}: unpacks to {info.file_size:,} bytes, which is no data")
    with _zip(file.path).open(info) as packed, _unpacked(packed, file.member) as stream:
        yield stream


@contextmanager
def _unpacked(raw: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    suffix = Path(name.lower()).suffix
    stream: Any = raw
    if suffix == ".gz":
        stream = gzip.GzipFile(fileobj=raw)
    elif suffix == ".bz2":
        stream = bz2.BZ2File(raw)
    elif suffix == ".xz":
        stream = lzma.LZMAFile(raw)  # noqa: SIM115 - closed with the file it reads
    elif suffix == ".zst":
        import pyarrow

        stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, "r"), "zstd")
    yield stream


def _zip(path: Path) -> zipfile.ZipFile:
    """Return the zip, opened once: its directory may have thousands of entries."""
    status = path.stat()
    key = (str(path), status.st_mtime, status.st_size)
    with _zips_lock:
        if key not in _zips:
            with readable(path.name):
                _zips[key] = zipfile.ZipFile(path)
        return _zips[key]


def _is_no_data(name: str) -> bool:
    lower = name.lower()
    return name.startswith(".") or lower in _NO_DATA_NAMES or lower.endswith(_NO_DATA)
