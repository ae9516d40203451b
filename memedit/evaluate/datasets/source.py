"""Records of a data set's file, one at a time, whatever the file is packed in.

What a file is, is told by its bytes: gzip or plain; a JSON list, one JSON object, or lines (JSONL,
TSV). A list is read record by record, so that a file of any size needs the memory of one record.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from memedit.errors import MemEditError
from memedit.evaluate.datasets.reader import Record

CHUNK = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"
_BLANK = " \t\n\r"
_NOT_BLANK = re.compile(rf"[^{_BLANK}]")
_DECODER = json.JSONDecoder()
_UNFINISHED = "the file ends within the list"


class DataSetError(MemEditError):
    """A data set is unknown, or its file cannot be found or read."""


def checksum(path: Path) -> str:
    """The SHA-256 of the file's bytes as they lie on disk (packed or not), hexadecimal.

    Raises:
        DataSetError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with _opened(path) as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def read_records(path: Path, *, chunk: int = CHUNK) -> Iterator[Record]:
    """Every record of a file: a JSON list's items, a JSON object, or a text file's lines.

    In a file of lines, each line that begins with a brace is JSON and every other one is text;
    empty lines are passed over. A line that is not valid JSON gives a record with ``broken`` set
    and reading goes on after it. Where a list's syntax breaks, or the file itself does (cut off,
    not UTF-8, damaged gzip), nothing after that place can be trusted: the records before it stand
    and one last record says what is wrong.

    Args:
        path: The file, UTF-8, plain or gzipped.
        chunk: How many bytes are read at a time.

    Raises:
        DataSetError: The file cannot be opened, or it holds no record at all.
    """
    text = _Text(path, chunk)
    records = _list_items(text) if text.first() == "[" else _lines(text)
    leading: list[Record] = []  # broken ones, held back until there is a record at all
    for record in records:
        if record.broken:
            leading.append(record)
            continue
        yield from leading
        yield record
        yield from records
        return
    raise _without_records(path, leading[0].broken if leading else "it is empty")


def _without_records(path: Path, why: str) -> DataSetError:
    return DataSetError(
        f"{path.name!r} holds no record: {why}.",
        hint="Give the data set's own file: a JSON list, JSONL or TSV, plain or gzipped.",
    )


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataSetError(
            f"The data file {str(path)!r} cannot be read ({error.strerror or error}).",
            hint="Check the path and its permissions.",
        ) from None


class _Text:
    """A growing buffer over a file's text, and a place in it.

    Attributes:
        buffer: The text read; what stands before ``at`` is done with.
        at: Where reading is.
        broken: Why reading ended before the file did; empty where it did not.
    """

    def __init__(self, path: Path, chunk: int) -> None:
        self.buffer = ""
        self.at = 0
        self.broken = ""
        self._chunks = _decoded(path, chunk)

    @property
    def ahead(self) -> int:
        """How many characters are read and not done with."""
        return len(self.buffer) - self.at

    def first(self) -> str:
        """The next character that is not blank, nothing done with; empty where there is none."""
        while not (ahead := self.buffer[self.at :].lstrip(_BLANK)):
            if not self.grow():
                return ""
        return ahead[0]

    def skip_blank(self) -> str:
        """Passes over blanks; the character that follows, empty at the end."""
        while True:
            self.at = _after_blank(self.buffer, self.at)
            if self.ahead or not self.grow():
                return self.buffer[self.at : self.at + 1]

    def grow(self) -> bool:
        """Doubles what is ahead (one chunk at least); False where nothing more can be read."""
        pieces, size, wanted = [self.buffer[self.at :]], 0, max(1, self.ahead)
        self.at = 0
        while size < wanted:
            try:
                pieces.append(next(self._chunks))
            except StopIteration:
                break
            except (OSError, EOFError, zlib.error) as error:
                self.broken = f"the file is damaged or cut off ({error})"
            except UnicodeDecodeError as error:
                self.broken = f"the file is not UTF-8 (byte 0x{error.object[error.start]:02x})"
            else:
                size += len(pieces[-1])
        self.buffer = "".join(pieces)
        return size > 0


def _after_blank(text: str, at: int) -> int:
    found = _NOT_BLANK.search(text, at)
    return found.start() if found else len(text)


def _decoded(path: Path, chunk: int) -> Iterator[str]:
    """The file's text in pieces; what stands before a fault is given before the fault is raised."""
    with _opened(path) as file:
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        source = gzip.GzipFile(fileobj=file) if packed else file
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        while True:
            # read1 gives what one step unpacked, so that nothing before a fault is lost.
            block = source.read1(chunk)
            try:
                piece = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                yield error.object[: error.start].decode("utf-8-sig")
                raise
            if piece:
                yield piece
            if not block:
                return


def _list_items(text: _Text) -> Iterator[Record]:
    """The items of one JSON list, each as soon as it is complete."""
    text.skip_blank()
    text.at += 1
    place = 1
    closed = text.skip_blank() == "]"
    while not closed:
        value, why = _next_value(text)
        if not why:
            yield Record(place, value)
            place += 1
            why = _after_item(text)
        if why:
            yield Record(place, None, why)
            return
        closed = text.buffer[text.at] == "]"
        text.at += not closed
        text.skip_blank()
    text.at += 1
    if text.skip_blank():
        yield Record(place, None, f"text follows the end of the list: {_shown(text)}")
    elif text.broken:
        yield Record(place, None, text.broken)


def _after_item(text: _Text) -> str:
    """What is wrong with what follows an item; empty where it is a comma or a bracket."""
    following = text.skip_blank()
    if following in ("]", ","):
        return ""
    if following:
        return f"neither ',' nor ']' follows the record but {_shown(text)}"
    return text.broken or _UNFINISHED


def _next_value(text: _Text) -> tuple[Any, str]:
    """The value that comes next and an empty string, or None and what is wrong.

    A number ends only where a blank, comma or bracket follows: cut in two by a chunk's end, it is
    a number too. Each failed attempt doubles the buffer, so the work stays linear.
    """
    while True:
        why = _UNFINISHED
        try:
            value, end = _DECODER.raw_decode(text.buffer, text.at)
        except json.JSONDecodeError as error:
            if error.pos < len(text.buffer):  # not merely cut off
                why = f"it is not valid JSON ({error.msg}: {_shown(text, error.pos)})"
        except (ValueError, RecursionError) as error:  # a number or a nesting without end
            return None, f"it is not valid JSON ({error})"
        else:
            after = text.buffer[end : end + 1]
            if isinstance(value, dict | list | str) or (after and after in f"{_BLANK},]"):
                text.at = end
                return value, ""
        if not text.grow():
            return None, text.broken or why


def _lines(text: _Text) -> Iterator[Record]:
    """The lines of a text, parsed where they are JSON; a JSON object over many lines is one."""
    place, ended, begun = 0, False, False
    while not ended:
        line, ended = _next_line(text)
        place += 1
        if ended and text.broken:
            yield Record(place, None, text.broken)  # the fault lies within this line
        elif line.strip():
            record = _from_line(place, line)
            if not begun and record.broken and text.first() not in ("", "{"):
                yield _whole_object(line, text)
                return
            begun = True
            yield record


def _next_line(text: _Text) -> tuple[str, bool]:
    """The next line without its end, and whether the text ends with it."""
    while (end := text.buffer.find("\n", text.at)) < 0:
        if not text.grow():
            line, text.at = text.buffer[text.at :], len(text.buffer)
            return line, True
    line, text.at = text.buffer[text.at : end], end + 1
    return line.removesuffix("\r"), False


def _from_line(place: int, line: str) -> Record:
    return _parsed(place, line) if line.lstrip().startswith("{") else Record(place, line)


def _whole_object(line: str, text: _Text) -> Record:
    """A JSON object whose first line is ``line`` and the rest whatever else the file holds."""
    while text.grow():
        pass
    record = _parsed(1, f"{line}\n{text.buffer[text.at :]}")
    return Record(1, None, text.broken) if text.broken else record


def _parsed(place: int, text: str) -> Record:
    try:
        return Record(place, json.loads(text))
    except json.JSONDecodeError as error:
        where = f"line {place + error.lineno - 1}, column {error.colno}"
        return Record(place, None, f"it is not valid JSON ({error.msg}, {where})")
    except (ValueError, RecursionError) as error:  # a number or a nesting without end
        return Record(place, None, f"it is not valid JSON ({error})")


def _shown(text: _Text, at: int | None = None, limit: int = 20) -> str:
    start = text.at if at is None else at
    return repr(text.buffer[start : start + limit])
