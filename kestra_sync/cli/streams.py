"""Standard streams that survive full disks, closed pipes and terminals without Unicode.

The result of a run does not depend on whether it can be printed. After a write error nothing more
is written to that stream, and characters that it cannot encode are escaped. A broken standard
output is a failure only for commands whose only result is their output.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO, cast

from kestra_sync.errors import KestraSyncError

ESCAPED = "kestra-sync-escaped"
"""The name under which :func:`_escape` is registered as an error handler of Python's codecs."""

#: Formats that escape a character as ``&#233;``; all others use ``\\u00e9``.
_MARKUP = frozenset({"html", "junit", "svg"})


class OutputError(KestraSyncError):
    """The standard output of a command cannot be written (exit code 1)."""


class OutputStream:
    """A text stream that escapes what it cannot encode, and fails at most once.

    :param raises: raise the first write error, because the output is the only result. Otherwise
        output that cannot be written is dropped.
    """

    def __init__(self, stream: TextIO, *, raises: bool) -> None:
        self._stream = stream
        self._raises = raises
        self.broken = False

    def write(self, text: str) -> int:
        """Write ``text``; do nothing after a write error.

        :raises BrokenPipeError: the reader closed the pipe, and this stream raises errors.
        :raises OutputError: another write error, and this stream raises errors.
        """
        if not self.broken:
            try:
                self._write(text)
            except (OSError, ValueError) as error:  # ValueError: it was closed
                self._break(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for each in lines:
            self.write(each)

    def flush(self) -> None:
        """Flush the stream.

        :raises BrokenPipeError: as for :meth:`write`.
        :raises OutputError: as for :meth:`write`.
        """
        if not self.broken:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._break(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, ESCAPED).decode(encoding))

    def _break(self, error: OSError | ValueError) -> None:
        self.broken = True
        self._discard()
        if not self._raises:
            return
        if isinstance(error, BrokenPipeError):
            raise error
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write to standard output: {reason}") from error

    def _discard(self) -> None:
        """Send buffered output to the null device: Python would write it again when it exits."""
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(null, self._stream.fileno())
            finally:
                os.close(null)


@contextmanager
def guarded(*, raises: bool) -> Iterator[None]:
    """Replace the standard streams, within the context, by streams that survive write errors.

    :param raises: whether a write error on standard output fails the run.
    """
    _open_missing()
    before = (sys.stdin, sys.stdout, sys.stderr)
    with ExitStack() as stack:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:  # closed by the parent process
                nothing = stack.enter_context(Path(os.devnull).open(mode, encoding="utf-8"))
                setattr(sys, name, nothing)
        out = OutputStream(sys.stdout, raises=raises)
        err = OutputStream(sys.stderr, raises=False)
        sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
        try:
            yield
        finally:
            out._raises = False
            out.flush()
            err.flush()
            sys.stdin, sys.stdout, sys.stderr = before


def for_stream(text: str, stream: IO[str], output_format: str) -> str:
    """Encode ``text`` for machines, so that ``stream`` can write it and any reader can parse it.

    JSON, XML and HTML are UTF-8 or, if the stream is not, ASCII with the escapes of the format.
    """
    if _is_utf8(stream):
        return text
    errors = "xmlcharrefreplace" if output_format in _MARKUP else ESCAPED
    return text.encode("ascii", errors).decode("ascii")


def can_draw(stream: IO[str]) -> bool:
    """Whether the stream can show more than ASCII, such as the dots of a spinner."""
    return _is_utf8(stream)


def _is_utf8(stream: IO[str]) -> bool:
    encoding = getattr(stream, "encoding", None)
    if not encoding:
        return True
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def _open_missing() -> None:
    """Open the null device for closed standard streams, before a file gets their descriptors."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Escape characters as ``\\u00e9``: text remains readable, and JSON remains valid."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    found = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(f"\\u{int.from_bytes(each, 'big'):04x}" for each in found), error.end


codecs.register_error(ESCAPED, _escape)
