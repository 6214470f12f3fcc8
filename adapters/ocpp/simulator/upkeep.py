"""What a simulated station keeps beside its charges: settings, the local list, firmware, logs. Fetches and uploads for
real; knows no frames."""

import asyncio
import hashlib
import random
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from adapters.ocpp.simulator.display import Display

LONGEST_FETCH: Final = 64 * 2**20
FETCHES: Final = 4
"""Of the same file, where the connection breaks off or there is none."""
BETWEEN_FETCHES: Final = 2.0
"""Seconds."""
_SCHEMES: Final = ("http://", "https://")
Tell = Callable[[Any], Awaitable[None]]
"""Says something to the hub, if there is a line."""

_READONLY: Final = frozenset({"NumberOfConnectors", "SupportedFeatureProfiles", "SendLocalListMaxLength"})
_AFTER_RESTART: Final = frozenset({"WebSocketPingInterval"})
_HIDDEN: Final = frozenset({"AuthorizationKey"})


class Words(Protocol):
    """How the station's version of OCPP says it; statuses in the words of 1.6."""

    def firmware_status(self, status: str, request_id: int | None) -> Any: ...

    def log_status(self, status: str, request_id: int | None) -> Any: ...


class UpkeepTaker(Protocol):
    """The station behind the connection."""

    @property
    def upkeep(self) -> "Upkeep": ...

    def update_firmware(self, url: str, request_id: int | None) -> None: ...

    def upload_log(self, url: str, request_id: int | None) -> str: ...

    def trigger(self, message: str, connector_id: int | None) -> bool: ...


class Upkeep:
    """One station's. ``failing``: chance that an update fails to install."""

    def __init__(
        self,
        *,
        connectors: int,
        chance: random.Random,
        failing: float,
        words: Words,
        tell: Tell,
        restart: Callable[[], None],
        take_password: Callable[[str], None],
    ) -> None:
        self.settings = {
            "HeartbeatInterval": "300",
            "MeterValueSampleInterval": "60",
            "ConnectionTimeOut": "60",
            "LocalAuthListEnabled": "true",
            "WebSocketPingInterval": "0",
            "NumberOfConnectors": str(connectors),
            "SendLocalListMaxLength": "100",
            "SupportedFeatureProfiles": "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,"
            "RemoteTrigger",
        }
        self.firmware = "1.0"
        self.local_list: dict[str, dict[str, Any]] = {}
        """``idTagInfo`` by tag."""
        self.list_version = 0
        self.display = Display()
        self.monitors: dict[int, dict[str, Any]] = {}
        """By their numbers (2.x)."""
        self.firmware_status = "Idle"
        self.log_status = "Idle"
        self.is_failing = chance.random() < failing
        """Its updates fail to install."""
        self._words = words
        self._tell = tell
        self._restart = restart
        self._take_password = take_password
        self._pending: dict[str, str] = {}

    def get(self, keys: list[str] | None) -> tuple[list[dict[str, Any]], list[str]]:
        """GetConfiguration: what is known, and what is not."""
        wanted = keys or list(self.settings)
        known = [
            {"key": key, "readonly": key in _READONLY, "value": self.settings[key]}
            for key in wanted
            if key in self.settings and key not in _HIDDEN
        ]
        return known, [key for key in wanted if key not in self.settings]

    def is_hidden(self, key: str) -> bool:
        """A setting that can be written only."""
        return key in _HIDDEN

    def set(self, key: str, value: str) -> str:
        """ChangeConfiguration: the status."""
        if key in _HIDDEN:
            self._take_password(value)
            return "Accepted"
        if key not in self.settings:
            return "NotSupported"
        if key in _READONLY or (self.settings[key].isdigit() and not value.isdigit()):
            return "Rejected"
        if key in _AFTER_RESTART:
            self._pending[key] = value
            return "RebootRequired"
        self.settings[key] = value
        return "Accepted"

    def restarted(self) -> None:
        """What waited for a restart is in force."""
        self.settings |= self._pending
        self._pending = {}

    def take_list(self, version: int, *, is_full: bool, entries: list[dict[str, Any]]) -> str:
        """SendLocalList: the status."""
        if not is_full and version <= self.list_version:
            return "VersionMismatch"
        if len(entries) > int(self.settings["SendLocalListMaxLength"]):
            return "Failed"
        if is_full:
            self.local_list = {}
        for entry in entries:
            if "id_tag_info" in entry:
                self.local_list[entry["id_tag"]] = entry["id_tag_info"]
            else:
                self.local_list.pop(entry["id_tag"], None)
        self.list_version = version
        return "Accepted"

    async def update(self, url: str, request_id: int | None) -> None:
        """Fetches, installs, restarts, and says so all along. The first line of the file, if it is short, is its
        version."""
        say = self._firmware_sayer(request_id)
        await say("Downloading")
        try:
            content = await fetch_patiently(url)
        except (OSError, ValueError):
            await say("DownloadFailed")
            return
        await say("Downloaded")
        await say("Installing")
        if self.is_failing:
            await say("InstallationFailed")
            return
        line = content.split(b"\n", 1)[0].strip()
        is_text = 0 < len(line) <= 40 and line.isascii()
        self.firmware = line.decode() if is_text else hashlib.sha256(content).hexdigest()[:12]
        await say("Installed")
        self._restart()

    def _firmware_sayer(self, request_id: int | None) -> Callable[[str], Coroutine[Any, Any, None]]:
        async def say(status: str) -> None:
            self.firmware_status = status
            await self._tell(self._words.firmware_status(status, request_id))

        return say

    async def upload(self, url: str, name: str, content: bytes, request_id: int | None) -> None:
        """Uploads, and says so."""

        async def say(status: str) -> None:
            self.log_status = status
            await self._tell(self._words.log_status(status, request_id))

        await say("Uploading")
        try:
            await asyncio.to_thread(put, url, name, content)
        except (OSError, ValueError):
            await say("UploadFailed" if request_id is None else "UploadFailure")
            return
        await say("Uploaded")


async def fetch_patiently(url: str) -> bytes:
    """What lies there, tried again while nobody answers: whoever has it may start anew. Raises ``OSError`` and
    ``ValueError``."""
    for _ in range(FETCHES - 1):
        try:
            return await asyncio.to_thread(fetch, url)
        except urllib.error.HTTPError:
            raise
        except OSError:
            await asyncio.sleep(BETWEEN_FETCHES)
    return await asyncio.to_thread(fetch, url)


def fetch(url: str) -> bytes:
    """What lies there, whole. Raises ``OSError`` and ``ValueError``."""
    if not url.startswith(_SCHEMES):
        raise ValueError("only http and https are simulated")
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - checked above
        content: bytes = answer.read(LONGEST_FETCH)
        if answer.length:
            raise OSError(f"{answer.length} octets are missing, or there are too many of them")
        return content


def put(url: str, name: str, content: bytes) -> None:
    """Lays it there. Raises ``OSError`` and ``ValueError``."""
    if not url.startswith(_SCHEMES):
        raise ValueError("only http and https are simulated")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=content, headers=headers, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        answer.read()
