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

_READ_BYTES = 65536
_KILL_AFTER_SECONDS = 10
_FORWARDED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

# What a URL or path in a tool's output ends at.
_WORD_TAIL = rb"[^\s'\"<>)\],]*"


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


def run_quietly(argv: Sequence[str], *, environ: Mapping[str, str], cwd: str | None = None) -> tuple[int, bytes, bytes]:
    """Run a tool without showing its output.

    Args:
        argv: the process's arguments.
        environ: its environment.
        cwd: its working directory; without it guard's own.

    Returns:
        Exit status (128+n for death by signal n), stdout and stderr.
    """
    streams = _Streams(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd)
    with _running(argv, environ, streams) as process:
        stdout, stderr = process.communicate()
    return _status(process.returncode), stdout, stderr


def run_relayed(argv: Sequence[str], *, environ: Mapping[str, str], make_filter: Callable[[], OutputFilter]) -> int:
    """Run a tool on the user's own streams, its output passing through a filter.

    Returns:
        Exit status (128+n for death by signal n).
    """
    out_read, out_write = _channel(1)
    err_read, err_write = _channel(2)
    relays = [
        threading.Thread(target=_relay, args=(source, sink, make_filter()), daemon=True)
        for source, sink in ((out_read, 1), (err_read, 2))
    ]
    with _running(argv, environ, _Streams(stdin=None, stdout=out_write, stderr=err_write)) as process:
        os.close(out_write)
        os.close(err_write)
        for relay in relays:
            relay.start()
        process.wait()
    for relay in relays:
        relay.join(timeout=_KILL_AFTER_SECONDS)
    return _status(process.returncode)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams:
    """Where a tool reads and writes, as :class:`subprocess.Popen` takes it."""

    stdin: int | None
    stdout: int
    stderr: int
    cwd: str | None = None


@contextmanager
def _running(argv: Sequence[str], environ: Mapping[str, str], streams: _Streams) -> Iterator[subprocess.Popen[bytes]]:
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
        signal.setitimer(signal.ITIMER_REAL, _KILL_AFTER_SECONDS)

    def kill(_number: int, _frame: FrameType | None) -> None:
        for process in started:
            _signal_group(process, signal.SIGKILL)

    # Before the start, so that no signal can end guard while the tool runs on.
    previous = {number: signal.signal(number, forward) for number in _FORWARDED_SIGNALS}
    previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, kill)
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
        yield started[0]
    finally:
        kill(signal.SIGALRM, None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)
    if received:
        raise Interrupted(received[0])


class Interrupted(Exception):
    """A signal ended the tool.

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


def _relay(source: int, sink: int, addresses: OutputFilter) -> None:
    with contextlib.suppress(OSError):  # a terminal's other end closing is an error here, and an end
        while chunk := os.read(source, _READ_BYTES):
            _write_all(sink, addresses.feed(chunk))
    _write_all(sink, addresses.finish())
    os.close(source)


def _write_all(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[os.write(descriptor, data) :]
