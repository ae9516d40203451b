"""Records of a file, each with the place it stands at, whatever the file is packed in."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from memedit.errors import ImportFormatError

_GZIP_MAGIC = b"\x1f\x8b"


class Record(NamedTuple):
    """One record; ``place`` is its line (JSONL) or its number (JSON list), counted from 1."""

    place: int
    data: Any


class RecordFile(NamedTuple):
    """A file's records; ``by_line`` says what their places are."""

    path: Path
    records: list[Record]
    by_line: bool

    def where(self, place: int) -> str:
        """The place as it stands in messages: ``"edits.jsonl:7"``, ``"edits.json, record 7"``."""
        return f"{self.path.name}:{place}" if self.by_line else f"{self.path.name}, record {place}"


def read_records(source: str | Path | BinaryIO) -> RecordFile:
    """Every record of a JSON list or a JSONL file, plain or gzipped.

    What the file is, is told by its bytes, not by its name.

    Args:
        source: The file's path, or a binary file that is open.

    Raises:
        ImportFormatError: The file cannot be read, is not UTF-8, or is not valid JSON; the
            message names the line.
    """
    if isinstance(source, (str, Path)):
        path, file = Path(source), None
    else:
        path, file = Path(str(getattr(source, "name", "input"))), source
    text = read_text(path, file)
    if text.lstrip()[:1] == "[":
        items = _parsed(path, 1, text)
        return RecordFile(path, [Record(n, item) for n, item in enumerate(items, 1)], False)
    return RecordFile(path, _lines(path, text), True)


def _lines(path: Path, text: str) -> list[Record]:
    # Only "\n" ends a record: str.splitlines would also split inside strings, at U+2028 say.
    numbered = enumerate(text.split("\n"), 1)
    return [Record(n, _parsed(path, n, line)) for n, line in numbered if line.strip()]


def _parsed(path: Path, first_line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, why = first_line + error.lineno - 1, f"{error.msg}, column {error.colno}"
    except (ValueError, RecursionError) as error:  # a number or a nesting without end
        line, why = first_line, str(error)
    raise ImportFormatError(
        f"{path.name}:{line}: not valid JSON ({why}).",
        hint="Give a JSON list, or JSONL with one complete object a line.",
    )


def read_text(path: Path, file: BinaryIO | None = None) -> str:
    """The text of a file, plain or gzipped.

    Args:
        path: Where it is, for messages where ``file`` is given.
        file: A binary file that is open, to read instead.

    Raises:
        ImportFormatError: It cannot be read, or is not UTF-8.
    """
    try:
        raw = file.read() if file else path.read_bytes()
        if raw.startswith(_GZIP_MAGIC):
            raw = gzip.decompress(raw)
    except FileNotFoundError:
        raise ImportFormatError(
            f"There is no file {str(path)!r}.", hint="Check the path."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise ImportFormatError(
            f"{str(path)!r} cannot be read ({error}).",
            hint="Give a readable JSON or JSONL file, plain or gzipped.",
        ) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ImportFormatError(
            f"{path.name}:{line}: not UTF-8 text (byte 0x{raw[error.start]:02x}).",
            hint="Save the file as UTF-8.",
        ) from None
