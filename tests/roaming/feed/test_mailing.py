"""E-mail, through a real mail server: what gathers is one message, nobody forges a line of it, and trouble is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from roaming.feed import numbering, subscribers
from roaming.feed.delivering import Deliverer
from roaming.feed.mailing import USUAL_KINDS, MailChannel, UnfitAddress, check_address
from roaming.feed.subscribers import Wanted
from roaming.feed.telling import Event, event_id, tell
from roaming.model.identifiers import PartyId
from roaming.model.mail_server import MailServer
from roaming.ocpi.secrets import Secrets
from roaming.store.database import Database
from roaming.store.locks import ProcessLocks
from tests.kit.certificates import make_certificate
from tests.kit.clock import HeldClock

HUB = PartyId("NL", "HUB")
SECRETS = Secrets(pepper=b"p" * 32, sealing_key=b"s" * 32)


@dataclass
class Post:
    """What a mail server took. ``reply``: what it says to a message."""

    reply: str = "250 OK"
    port: int = 0
    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        if self.reply.startswith("250"):
            letter = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(letter, EmailMessage)
            self.letters.append((envelope.rcpt_tos, letter))
        return self.reply

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.users.append(data.login)
        return AuthResult(success=data.password == b"letmein", handled=False)


@asynccontextmanager
async def post_office(**options: Any) -> AsyncIterator[Post]:
    """A mail server in this loop."""
    post = Post()

    made: list[SMTP] = []

    def make() -> SMTP:
        made.append(SMTP(post, hostname="post.test", authenticator=post.authenticate, **options))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
        for line in made:
            if line.transport is not None:
                line.transport.abort()
        await asyncio.sleep(0)


def server_of(post: Post, **values: Any) -> MailServer:
    given = {"host": "127.0.0.1", "port": post.port, "sender": "hub@roaming.test", "security": "none"} | values
    return MailServer(**given)  # type: ignore[arg-type]


@dataclass
class House:
    database: Database
    clock: HeldClock
    deliverer: Deliverer

    async def happens(self, *stations: str, kind: str = "station.fault") -> None:
        events = [
            Event(id=event_id(kind, name), kind=kind, at=self.clock.at, parties=(HUB,), data={"station": name})
            for name in stations
        ]
        async with self.database.work() as work:
            await tell(work, events)
        await numbering.number_once(self.database)

    async def states(self) -> list[tuple[str, str]]:
        async with self.database.reading() as connection:
            rows = await subscribers.notifications(connection, "noc")
        return [(row["state"], row["last_error"]) for row in rows]


@pytest.fixture
async def house(sqlite_url: str) -> AsyncIterator[House]:
    clock = HeldClock(datetime(2026, 11, 29, 12, 0, tzinfo=UTC))
    database = await Database.open(sqlite_url, clock=clock)
    wanted = Wanted(name="noc", channel="EMAIL", address="noc@example.org", kinds=USUAL_KINDS)
    async with database.work() as work:
        await subscribers.add(work, wanted, secrets=SECRETS, check=check_address)
    yield House(database, clock, Deliverer(database, ProcessLocks(), clock, {}))
    await database.close()


async def test_what_gathers_is_one_message(house: House) -> None:
    async with post_office() as post:
        channel = MailChannel(server_of(post))
        await house.happens("CS-1")
        await house.deliverer.deliver_once("noc", channel)
        await house.happens("CS-2", "CS-3")
        await house.happens("CS-4", kind="connector.status")
        await house.deliverer.deliver_once("noc", channel)
        assert len(post.letters) == 1
        house.clock.at += timedelta(seconds=61)
        await house.deliverer.deliver_once("noc", channel)
    (first, second) = [letter for _, letter in post.letters]
    assert [to for to, _ in post.letters] == [["noc@example.org"]] * 2
    assert (first["Subject"], second["Subject"]) == ("station.fault CS-1", "station.fault CS-2 and 1 more")
    assert (first["From"], first["To"]) == ("hub@roaming.test", "noc@example.org")
    assert first["Auto-Submitted"] == "auto-generated"
    assert second.get_content().splitlines() == [
        "2026-11-29T12:00:00Z  station.fault  station CS-2",
        "2026-11-29T12:00:00Z  station.fault  station CS-3",
    ]
    assert await house.states() == [("SENT", "")] * 3


async def test_nobody_forges_a_line(house: House) -> None:
    async with post_office() as post:
        await house.happens("CS-1\r\nBcc: all@example.org\r\n\r\n.\r\nMAIL FROM:<x>\u2028\u202e\x00" + "x" * 400)
        await house.deliverer.deliver_once("noc", MailChannel(server_of(post)))
    ((to, letter),) = post.letters
    assert (to, letter["Bcc"]) == (["noc@example.org"], None)
    assert len(letter["Subject"]) < 140
    assert len(letter.get_content().splitlines()) == 1


async def test_trouble_is_told_and_it_comes_again(house: House) -> None:
    async with post_office() as post:
        channel = MailChannel(server_of(post))
        post.reply = "451 greylisted"
        await house.happens("CS-1")
        await house.deliverer.deliver_once("noc", channel)
        ((state, error),) = await house.states()
        assert state == "PENDING"
        assert error.startswith("the mail server said 451 greylisted")
        post.reply = "250 OK"
        house.clock.at += timedelta(minutes=5)
        await house.deliverer.deliver_once("noc", channel)
        assert await house.states() == [("SENT", "")]
    await house.happens("CS-2")
    house.clock.at += timedelta(minutes=5)
    await house.deliverer.deliver_once("noc", channel)
    (state, error) = (await house.states())[0]
    assert (state, error.startswith("the mail server cannot be reached")) == ("PENDING", True)


async def test_the_line_is_secured_and_signed_in(house: House, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "post")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secured = {"security": "starttls", "user": "hub"}
    async with post_office(tls_context=context, require_starttls=True, auth_required=True) as post:
        right = server_of(post, ca_file=str(certificate), password="letmein", **secured)
        await house.happens("CS-1")
        await house.deliverer.deliver_once("noc", MailChannel(right))
        assert (len(post.letters), post.users) == (1, [b"hub"])
        for wrong, said in (
            (server_of(post, ca_file=str(certificate), password="wrong", **secured), "535"),
            (server_of(post, password="letmein", **secured), "certificate verify failed"),
            (server_of(post, security="none"), "530"),
            (server_of(post, ca_file=str(certificate), password="wröng", **secured), "smtp_password"),
        ):
            house.clock.at += timedelta(hours=2)
            await house.happens(said)
            await house.deliverer.deliver_once("noc", MailChannel(wrong))
            error = (await house.states())[0][1]
            assert said in error
            assert "wrong" not in error
            assert "letmein" not in error
    assert "letmein" not in repr(right)


@pytest.mark.parametrize(
    "address", ["", "noc", "noc@", "a@b@c.example", "noc@example.org\r\nBcc: x@y", "<noc@example.org>", "a b@c.example"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UnfitAddress, match=r"noc@example\.org"):
        check_address(address)
