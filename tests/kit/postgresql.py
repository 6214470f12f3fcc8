"""A throw-away PostgreSQL: real binaries, own folder and port, unprivileged user; to be killed and restarted."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from types import TracebackType

from tests.kit.server_process import LOOPBACK, ServerFailed, ServerProcess, free_port

OWNER = "roaming"
"""Superuser of the cluster; connections from loopback need no password."""


def binaries() -> Path | None:
    """The folder that holds initdb, postgres and psql; the newest version found, or None."""
    folders = [Path(found).resolve().parent for name in ("initdb", "pg_ctl") if (found := shutil.which(name))]
    packaged = Path("/usr/lib/postgresql")
    folders += sorted(packaged.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    wanted = ("initdb", "postgres", "psql")
    return next((folder for folder in folders if all((folder / name).exists() for name in wanted)), None)


def missing() -> str | None:
    """Why PostgreSQL cannot be started here, or None."""
    if binaries() is None:
        return "PostgreSQL's initdb and postgres are not installed (Debian: apt-get install postgresql)"
    return None


class Postgresql:
    """One cluster on one port and data folder, both kept over `kill` and `start`.

    ``is_synced=False`` (the default) switches fsync off: what a transaction committed survives `kill`, since the
    kernel lives on, and tests run faster. Switch it on where speed itself is measured.
    """

    def __init__(self, *, is_synced: bool = False, settings: dict[str, str] | None = None) -> None:
        found = binaries()
        if found is None:
            raise ServerFailed(str(missing()))
        self._binaries = found
        self._user = _unprivileged_user()
        self.folder = Path(tempfile.mkdtemp(prefix="roaming-postgresql-"))
        self.port = free_port()
        self._settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            **({} if is_synced else {"fsync": "off", "full_page_writes": "off"}),
            **(settings or {}),
        }
        if self._user is not None:
            shutil.chown(self.folder, self._user, self._user)
        self._process = self._described()

    def _described(self) -> ServerProcess:
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return ServerProcess(
            [self._binaries / "postgres", "-D", self.data, "-p", str(self.port), *options],
            log=self.folder / "server.log",
            user=self._user,
            cwd=self.folder,
            litter=self.folder,
        )

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """The postmaster's process id; raises ServerFailed when it is not running."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    def start(self) -> "Postgresql":
        """Starts the server, making the cluster first if there is none; returns when it takes connections."""
        is_first = not self.data.exists()
        if is_first:
            self._make_cluster()
        for attempts_left in (4, 3, 2, 1, 0):
            try:
                self._process.start(lambda log: "database system is ready to accept connections" in log)
                return self
            except ServerFailed as failure:
                if not (is_first and attempts_left and "could not bind" in str(failure)):
                    raise
                self.port = free_port()
                self._process = self._described()
        raise AssertionError("unreachable")

    def kill(self) -> None:
        """SIGKILL to the postmaster and every backend at once."""
        self._process.kill()

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back."""
        self._process.stop(sign=signal.SIGINT)

    def pause(self) -> None:
        """Connections stay open and nothing answers, until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def remove(self) -> None:
        """Kills the server and deletes its folder."""
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres", *, driver: str = "+asyncpg") -> str:
        """SQLAlchemy's address of a database; ``driver=""`` gives the plain form that asyncpg and psql take."""
        return f"postgresql{driver}://{OWNER}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str | None = None) -> str:
        """Creates an empty database and returns its name."""
        name = name or f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}"')
        return name

    def drop_database(self, name: str) -> None:
        """Drops a database, ending whatever is still connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str, *, database: str = "postgres") -> str:
        """Runs one statement through psql and returns its rows, columns parted by ``|``."""
        options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        done = subprocess.run(
            [self._binaries / "psql", *options, "-d", self.url(database, driver=""), "-c", statement],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise ServerFailed(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def _make_cluster(self) -> None:
        options = ("--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        done = subprocess.run(
            [self._binaries / "initdb", "-D", self.data, "-U", OWNER, *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )
        if done.returncode != 0:
            raise ServerFailed(f"initdb: {done.stderr.strip()}")

    def __enter__(self) -> "Postgresql":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _unprivileged_user() -> str | None:
    """Whom to become: PostgreSQL refuses to run as root. None means that we are unprivileged already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise ServerFailed("PostgreSQL refuses to run as root and there is neither a user postgres nor nobody")
