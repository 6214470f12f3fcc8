"""A server of the tests' own: a real process, to be stopped or killed, that dies with whoever started it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Protocol

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below the range that Linux hands to outgoing connections, so that a killed server finds its port free again."""


class ServerFailed(RuntimeError):
    """A server process ended, or did not become ready in time; the text ends with the tail of its log."""


def free_port() -> int:
    """A TCP port on which nobody listens now. Another process may still take it: a first start tries again."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((LOOPBACK, port))
                return port
    raise ServerFailed(f"no free port between {PORTS.start} and {PORTS.stop}")


def children_of(pid: int) -> list[int]:
    """Process ids of all descendants, nearest first; empty on systems without /proc."""
    if not Path("/proc/self/stat").exists():
        return []
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(after_name[1]), []).append(int(entry.name))
    found = list(parents.get(pid, ()))
    for child in found:
        found.extend(parents.get(child, ()))
    return found


class Running(Protocol):
    """What is used of ``subprocess.Popen``."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...


class ServerProcess:
    """One command that may be started again after it was stopped or killed."""

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        log: Path,
        user: str | None = None,
        cwd: Path | None = None,
        litter: Path | None = None,
    ) -> None:
        """``litter`` is a folder that goes too when the process that started the server is killed."""
        self.command = [os.fspath(part) for part in command]
        self.log = log
        self._user = user
        self._cwd = cwd
        self._litter = litter
        self._process: Running | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id; raises ServerFailed when the server is not running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(f"{self.command[0]} is not running{self._tail()}")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, is_ready: Callable[[str], bool], *, seconds: float = 60.0) -> None:
        """Starts the command and waits until ``is_ready(text logged since this start)``; raises ServerFailed."""
        if self.is_running:
            raise ServerFailed(f"{self.command[0]} is running already as {self.pid}")
        with self.log.open("ab") as out:
            begin = out.tell()
            self._process = self._launch(out)
        self._guard = _dies_with_us(self._process.pid, self._litter)
        end = time.monotonic() + seconds
        while True:
            if self._process.poll() is not None:
                self._release_guard()
                raise ServerFailed(f"{self.command[0]} ended with {self._process.returncode}{self._tail()}")
            with self.log.open("rb") as written:
                written.seek(begin)
                if is_ready(written.read().decode(errors="replace")):
                    return
            if time.monotonic() > end:
                self.kill()
                raise ServerFailed(f"{self.command[0]} was not ready within {seconds:g} s{self._tail()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Ends the server and its children with SIGKILL and waits until they are gone."""
        if self._process is not None and self._process.poll() is None:
            family = [self._process.pid, *children_of(self._process.pid)]
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(timeout=30)
            wait_until_gone(family)
        self._release_guard()

    def stop(self, *, sign: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> None:
        """Asks the server to end and waits; kills it when it takes longer than ``seconds``."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sign)
            try:
                self._process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._release_guard()

    def pause(self) -> None:
        """Stops the server's clock (SIGSTOP): connections stay open and nothing answers."""
        self._signal([self.pid, *children_of(self.pid)], signal.SIGSTOP)

    def resume(self) -> None:
        """Ends a pause."""
        self._signal([*reversed(children_of(self.pid)), self.pid], signal.SIGCONT)

    @staticmethod
    def _signal(family: Sequence[int], sign: signal.Signals) -> None:
        """Sends ``sign`` to each; a worker of a database may have ended since it was listed, which is no failure."""
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)

    def _launch(self, out: IO[bytes]) -> Running:
        return subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=self._cwd,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            start_new_session=True,
        )

    def _release_guard(self) -> None:
        if self._guard is not None:
            assert self._guard.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(b"done\n")
                self._guard.stdin.close()
            self._guard.wait(timeout=10)
            self._guard = None

    def _tail(self) -> str:
        if not self.log.exists():
            return ""
        return "\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


def _dies_with_us(pid: int, litter: Path | None) -> subprocess.Popen[bytes]:
    """A shell that kills ``pid`` when our end of its input closes without a word: we have been killed."""
    script = 'read -r word || { kill -9 "$1"; [ -z "$2" ] || { sleep 1; rm -rf "$2"; }; }'
    return subprocess.Popen(
        ["sh", "-c", script, "guard", str(pid), str(litter or "")],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def wait_until_gone(pids: Sequence[int], *, seconds: float = 30.0) -> None:
    """Waits until no process of ``pids`` runs; a zombie that its parent has yet to collect counts as gone."""
    end = time.monotonic() + seconds
    for pid in pids:
        while _runs(pid):
            if time.monotonic() > end:
                raise ServerFailed(f"process {pid} survived SIGKILL for {seconds:g} s")
            time.sleep(0.005)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
