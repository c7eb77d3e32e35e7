"""Running a wrapped tool: its own process group, its output relayed through a filter, its status translated.

The filter replaces the gateway's addresses and nothing else. Where guard's own stdout or stderr is a terminal the tool
gets a terminal too, so that colours and progress bars stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, Protocol

_READ_BYTES = 65536
_KILL_AFTER_SECONDS = 10
_FORWARDED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# Ends a tool whose guard was killed: its stdin is a pipe into which guard never writes.
_WATCH = 'read -r line; kill -s KILL -- "-$0"'

# What a URL or path in a tool's output ends at.
_WORD_TAIL = rb"[^\s'\"<>)\],]*"


class StreamFilter(Protocol):
    """What the output of a tool passes through."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be shown once ``chunk`` has arrived."""

    def finish(self) -> bytes:
        """Return what is left at the end of the stream."""


class OutputFilter:
    """Replaces every word that begins with one of guard's own addresses, across the borders of chunks.

    Args:
        addresses: such as ``http://127.0.0.1:PORT`` and the folder of private copies.
        replace: maps such a word, or a whole line around one, to what the user should see.
        line_prefix: text that belongs to the first address when it stands before it at the start of a line; the
            replacement then covers the whole line with its end.
    """

    def __init__(self, addresses: Sequence[str], replace: Callable[[str], str], *, line_prefix: str = "") -> None:
        self._addresses = tuple(address.encode() for address in addresses)
        self._line_prefix = line_prefix.encode()
        words = b"(?:" + b"|".join(map(re.escape, self._addresses)) + b")" + _WORD_TAIL
        line = re.escape(self._line_prefix + self._addresses[0]) + rb"[^\r\n]*\r?\n|" if line_prefix else b""
        self._pattern = re.compile(line + words)
        self._replace = replace
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be shown once ``chunk`` has arrived; the start of a possible address is held back."""
        data = self._held + chunk
        cut = self._safe_length(data)
        self._held = data[cut:]
        return self._substitute(data[:cut])

    def finish(self) -> bytes:
        """Return what was still held back at the end of the stream."""
        data, self._held = self._held, b""
        return self._substitute(data)

    def _substitute(self, data: bytes) -> bytes:
        return self._pattern.sub(lambda match: self._replace(match[0].decode("utf-8", "replace")).encode(), data)

    def _safe_length(self, data: bytes) -> int:
        """Length of the part of ``data`` that no address reaches out of."""
        line_start = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        last_line = data[line_start:]
        if self._line_prefix and last_line and _may_begin(last_line, self._line_prefix):
            return line_start
        return min((self._address_start(data, line_start, address) for address in self._addresses), default=len(data))

    def _address_start(self, data: bytes, line_start: int, address: bytes) -> int:
        """Where an address begins that may go on behind the end of ``data``; its length when there is none."""
        start = data.find(address[:1], line_start)
        while start >= 0:
            tail = data[start:]
            if address.startswith(tail) or (tail.startswith(address) and self._pattern.fullmatch(tail)):
                return start
            start = data.find(address[:1], start + 1)
        return len(data)


def _may_begin(text: bytes, prefix: bytes) -> bool:
    return text.startswith(prefix) or prefix.startswith(text)


def run_quietly(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: str | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[int, bytes, bytes]:
    """Run a tool without showing its output.

    Args:
        argv: the process's arguments.
        environ: its environment.
        cwd: its working directory; without it guard's own.
        meanwhile: starts what would delay the tool if it were started before; called once the tool runs.

    Returns:
        Exit status (128+n for death by signal n), stdout and stderr.
    """
    streams = _Streams(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd)
    with _running(argv, environ, streams) as process:
        meanwhile()
        stdout, stderr = process.communicate()
    return _status(process.returncode), stdout, stderr


def run_relayed(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    make_filter: Callable[[], StreamFilter],
    ends_on_signals: bool = True,
) -> int:
    """Run a tool on the user's own streams, its output passing through a filter.

    Args:
        argv: the process's arguments.
        environ: its environment.
        make_filter: makes the filter of one stream.
        ends_on_signals: whether a signal ends guard, too, and soon; else what the tool makes of it counts.

    Returns:
        Exit status (128+n for death by signal n).
    """
    out_read, out_write = _channel(1)
    err_read, err_write = _channel(2)
    relays = [_Relay(source, sink, make_filter()) for source, sink in ((out_read, 1), (err_read, 2))]
    streams = _Streams(stdin=None, stdout=out_write, stderr=err_write)
    with _running(argv, environ, streams, ends_on_signals=ends_on_signals) as process:
        os.close(out_write)
        os.close(err_write)
        for relay in relays:
            relay.start()
        process.wait()
    for relay in relays:
        relay.finish()
    return _status(process.returncode)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams:
    """Where a tool reads and writes, as :class:`subprocess.Popen` takes it."""

    stdin: int | None
    stdout: int
    stderr: int
    cwd: str | None = None


@contextmanager
def _running(
    argv: Sequence[str], environ: Mapping[str, str], streams: _Streams, *, ends_on_signals: bool = True
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a tool in a process group of its own, pass signals on to all of it, and leave nothing of it running.

    Raises:
        Interrupted: a signal came meanwhile.
    """
    received: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for process in started:
            _signal_group(process, number)
        if ends_on_signals:
            signal.setitimer(signal.ITIMER_REAL, _KILL_AFTER_SECONDS)

    def kill(_number: int, _frame: FrameType | None) -> None:
        for process in started:
            _signal_group(process, signal.SIGKILL)

    # Before the start, so that no signal can end guard while the tool runs on.
    with _handling({**dict.fromkeys(_FORWARDED_SIGNALS, forward), signal.SIGALRM: kill}):
        try:
            # A session of its own makes a process group of its own, which is what a signal ends.
            started.append(
                subprocess.Popen(
                    list(argv),
                    env=dict(environ),
                    cwd=streams.cwd,
                    stdin=streams.stdin,
                    stdout=streams.stdout,
                    stderr=streams.stderr,
                    start_new_session=True,
                )
            )
            if received:
                forward(received.pop(), None)
            with _watched(started[0]):
                yield started[0]
        finally:
            # What a program does about a signal may take longer than npm, which started it.
            if ends_on_signals or any(process.returncode is None for process in started):
                kill(signal.SIGALRM, None)
            signal.setitimer(signal.ITIMER_REAL, 0)
    if received and ends_on_signals:
        _interrupt(received[0])


@contextmanager
def _watched(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """See that a tool's process group ends with guard, even where guard is killed by what it cannot catch."""
    read_end, write_end = os.pipe()
    watcher = subprocess.Popen(["/bin/sh", "-c", _WATCH, str(process.pid)], stdin=read_end, start_new_session=True)
    os.close(read_end)
    try:
        yield
    finally:
        watcher.kill()
        watcher.wait()
        os.close(write_end)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal end what guard does by raising :class:`Interrupted`, so that nothing of it stays behind."""
    with _handling(dict.fromkeys(_FORWARDED_SIGNALS, _interrupt)):
        yield


def _interrupt(number: int, _frame: FrameType | None = None) -> NoReturn:
    """Begin to end; while everything is put back, no further signal counts."""
    for each in _FORWARDED_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(number)


@contextmanager
def _handling(handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    """Handle signals for a while; one that guard was started to ignore (``nohup``) stays ignored."""
    previous = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if previous[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)


class Interrupted(BaseException):
    """A signal ended the tool, or what guard did itself; like KeyboardInterrupt, it is no error that anybody handles.

    Args:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _status(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode


def _channel(descriptor: int) -> tuple[int, int]:
    """Return a pair of (read end for guard, write end for the tool): a terminal where guard has one, else a pipe."""
    if not os.isatty(descriptor):
        return os.pipe()
    read_end, write_end = pty.openpty()
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(write_end, termios.TIOCSWINSZ, size)
    with contextlib.suppress(termios.error):
        # The user's terminal already turns newlines into carriage returns; once is enough.
        modes = termios.tcgetattr(write_end)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(write_end, termios.TCSANOW, modes)
    return read_end, write_end


class _Relay(threading.Thread):
    """Passes output on to its end; when nobody reads it any more, the tool is to find that out, too.

    Args:
        source: where the tool's output arrives; closed at the end.
        sink: guard's own stream.
        addresses: what is replaced on the way.
    """

    def __init__(self, source: int, sink: int, addresses: StreamFilter) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._sink = sink
        self._addresses = addresses
        self._is_reading = False

    def run(self) -> None:
        with contextlib.suppress(OSError):  # a terminal's other end closing is an error here, and an end
            while chunk := self._read():
                _write_all(self._sink, self._addresses.feed(chunk))
        with contextlib.suppress(BrokenPipeError):
            _write_all(self._sink, self._addresses.finish())
        os.close(self._source)

    def finish(self) -> None:
        """Wait for the end, however slowly the output is read, but not for what the tool left running in silence."""
        while self.is_alive():
            self.join(timeout=_KILL_AFTER_SECONDS)
            if self._is_reading:
                return

    def _read(self) -> bytes:
        self._is_reading = True
        try:
            return os.read(self._source, _READ_BYTES)
        finally:
            self._is_reading = False


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
