"""Processes that begin with the hub's libraries imported.

An end-to-end test starts dozens of processes, and each would spend a second and a half of a processor on the same
imports. One process per test run imports them, and forks: what a fork runs, its environment, its output, its signals
and its end are those of ``python -m MODULE ARGUMENTS``. Some tests start the command itself (``test_live_page.py``).

``python -m tests.e2e.forks SOCKET`` serves until its standard input closes. Over the socket, one connection a process,
go the request with the two descriptors of its output, then the process id, then its return code.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final, NoReturn

from tests.kit.server_process import ServerProcess

LARGEST: Final = 1 << 17
"""Octets of a request: arguments and environment."""
PACKAGES: Final = ("roaming", "adapters")
LIBRARIES: Final = (
    "aiokafka",
    "aiosqlite",
    "alembic.command",
    "alembic.runtime.migration",
    "asyncpg",
    "httpcore",
    "logging.config",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
"""What only a running hub imports."""


class Fork:
    """One process, as ``subprocess.Popen`` would show it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.pid = int(connection.recv(64))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The return code, once it has ended."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The return code; raises ``subprocess.TimeoutExpired`` after ``timeout`` seconds."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _look(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None:
                self._connection.settimeout(timeout)
                with contextlib.suppress(BlockingIOError, TimeoutError):
                    # Nothing is told when whoever forks was killed
                    self.returncode = int(self._connection.recv(64) or -signal.SIGKILL)
                    self._connection.close()
            return self.returncode


class ForkedServer(ServerProcess):
    """``python -m module arguments`` as a server."""

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], *, log: Path) -> None:
        """``environment`` comes beside that of the tests."""
        super().__init__([module, *arguments], log=log)
        self._environment = environment

    def _launch(self, out: IO[bytes]) -> Fork:
        module, *arguments = self.command
        descriptor = out.fileno()
        return start(module, arguments, {**os.environ, **self._environment}, out=descriptor, err=descriptor)


def start(module: str, arguments: Sequence[str], environment: Mapping[str, str], *, out: int, err: int) -> Fork:
    """Runs ``python -m module arguments`` in a session of its own; ``out`` and ``err`` are descriptors."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(_forking())
    request = {"module": module, "arguments": list(arguments), "environment": dict(environment)}
    socket.send_fds(connection, [json.dumps(request).encode()], [out, err])
    return Fork(connection)


_first = threading.Lock()


def _forking() -> str:
    with _first:
        return _forking_once()


@cache
def _forking_once() -> str:
    """Where the process that forks for this test run listens."""
    folder = tempfile.TemporaryDirectory(prefix="forks")
    atexit.register(folder.cleanup)
    path = str(Path(folder.name) / "socket")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.forks", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        start_new_session=True,
    )
    atexit.register(process.communicate)  # closes its input, and waits
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        raise RuntimeError("the process that forks did not start: its error stands above")
    return path


def _import_all() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith(".__main__") and ".migrations." not in module.name:
                importlib.import_module(module.name)
    for library in LIBRARIES:
        importlib.import_module(library)
    # What is there now stays: no fork should look through it, and thereby copy it
    gc.collect()
    gc.freeze()


class _Server:
    """Forks on request, and tells how each process ended."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._children: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._ended, wakeup = socket.socketpair()
        self._ended.setblocking(False)
        wakeup.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup.fileno())
        self._wakeup = wakeup
        for readable in (listener, self._ended, sys.stdin):
            self._selector.register(readable, selectors.EVENT_READ)

    def serve(self) -> dict[str, object]:
        """Returns in each child, with its request; ends in the parent when nobody needs it any more."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    request = self._fork()
                    if request is not None:
                        return request
                elif key.fileobj is self._ended:
                    self._ended.recv(4096)
                    self._collect()
                else:
                    sys.exit(0)

    def _fork(self) -> dict[str, object] | None:
        connection, _ = self._listener.accept()
        message, descriptors, _, _ = socket.recv_fds(connection, LARGEST, 2)
        pid = os.fork()
        if pid == 0:
            self._become(connection, *descriptors)
            return dict(json.loads(message))
        for descriptor in descriptors:
            os.close(descriptor)
        self._children[pid] = connection
        connection.send(str(pid).encode())
        return None

    def _become(self, connection: socket.socket, out: int, err: int) -> None:
        """The child lets go of all that is its parent's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for mine in (connection, self._listener, self._ended, self._wakeup, *self._children.values()):
            mine.close()
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, out, err)):
            os.dup2(descriptor, number)
            os.close(descriptor)

    def _collect(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._children.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())
            connection.close()


def main() -> NoReturn:
    _import_all()
    threads = threading.enumerate()
    assert len(threads) == 1, f"a thread would be missing in each fork: {threads}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(sys.argv[1])
        listener.listen(32)
        print("ready", flush=True)
        request = _Server(listener).serve()
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.argv = [sys.executable, *request["arguments"]]  # type: ignore[misc]
    runpy.run_module(str(request["module"]), run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
