"""Standard streams that cannot end a run: full disks, closed pipes, terminals without Unicode.

What a run did is decided before it is printed. So a stream that breaks is left alone from then on,
and what it cannot encode is escaped. Only of a command whose whole work is its output the broken
standard output is a failure.
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
"""The name under which :func:`_escape` is known to Python's codecs."""

#: Formats in which a character is written as ``&#233;``; in all others as ``\\u00e9``.
_MARKUP = frozenset({"html", "junit", "svg"})


class OutputError(KestraSyncError):
    """The standard output of a command cannot be written (exit 1)."""


class OutputStream:
    """A text stream that escapes what it cannot encode, and breaks once at most.

    :param decides: the first failure is raised: there is nothing but this output. Else what
        cannot be written is dropped.
    """

    def __init__(self, stream: TextIO, *, decides: bool) -> None:
        self._stream = stream
        self._decides = decides
        self.broken = False

    def write(self, text: str) -> int:
        """Write ``text``; nothing once the stream is broken.

        :raises BrokenPipeError: the reader has gone, and this stream decides.
        :raises OutputError: it cannot be written for another reason, and it decides.
        """
        if not self.broken:
            try:
                self._write(text)
            except (OSError, ValueError) as error:  # ValueError: it was closed
                self._break(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for each in lines:
            self.write(each)

    def flush(self) -> None:
        """Hand everything to the system.

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
        if not self._decides:
            return
        if isinstance(error, BrokenPipeError):
            raise error
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write to standard output: {reason}") from error

    def _discard(self) -> None:
        """Let what is buffered go nowhere: Python writes it once more when it exits."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self._stream.fileno())
            finally:
                os.close(nowhere)


@contextmanager
def guarded(*, decides: bool) -> Iterator[None]:
    """Replace the standard streams by some that cannot end the run, for its length.

    :param decides: whether a standard output that breaks is a failure of the run.
    """
    _open_missing()
    before = (sys.stdin, sys.stdout, sys.stderr)
    with ExitStack() as stack:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:  # closed by the parent process
                nothing = stack.enter_context(Path(os.devnull).open(mode, encoding="utf-8"))
                setattr(sys, name, nothing)
        out = OutputStream(sys.stdout, decides=decides)
        err = OutputStream(sys.stderr, decides=False)
        sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
        try:
            yield
        finally:
            out._decides = False
            out.flush()
            err.flush()
            sys.stdin, sys.stdout, sys.stderr = before


def for_stream(text: str, stream: IO[str], output_format: str) -> str:
    """``text`` for machines, as it can be written to ``stream`` and read everywhere.

    JSON, XML and HTML are UTF-8 or, where the stream is not, ASCII with the escapes of the format.
    """
    if _is_utf8(stream):
        return text
    errors = "xmlcharrefreplace" if output_format in _MARKUP else ESCAPED
    return text.encode("ascii", errors).decode("ascii")


def can_draw(stream: IO[str]) -> bool:
    """Whether more than ASCII can be shown, such as the dots of a spinner."""
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
    """Put something into the places of closed standard streams, before any file gets them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Write characters as ``\\u00e9``: so text stays readable, and JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    found = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(f"\\u{int.from_bytes(each, 'big'):04x}" for each in found), error.end


codecs.register_error(ESCAPED, _escape)
