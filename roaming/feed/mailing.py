"""The channel of e-mail: what is due for one reader goes into one message, and the next is written a minute later at
the earliest, so that a hundred stations that fail at once are one message."""

import asyncio
import re
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from roaming.feed.delivering import Attempt, Message
from roaming.feed.subscribers import Subscriber
from roaming.model.mail_server import MailServer

USUAL_KINDS = ("station.offline", "station.online", "station.fault", "station.security")
"""What a reader is told who asks for nothing else."""
TIMEOUT = 30.0
LONGEST_SUBJECT = 120
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])")


class UnfitAddress(ValueError):
    """What is no address of one reader."""


def check_address(address: str) -> None:
    """Raises ``UnfitAddress`` for what is not one plain address, such as ``noc@example.org``."""
    if not _ADDRESS.fullmatch(address):
        raise UnfitAddress(f"{address!r}: one plain address, such as noc@example.org")


class MailChannel:
    """Implements ``delivering.Channel``."""

    at_once = 50
    rest_seconds = 60.0

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def send(self, subscriber: Subscriber, messages: Sequence[Message]) -> Attempt:
        """Sends one message about all of them."""
        return await self.write(subscriber, [message.event for message in messages])

    async def write(self, subscriber: Subscriber, events: Sequence[Mapping[str, Any]]) -> Attempt:
        """Sends one message; off the event loop."""
        message = composed(events, sender=self._server.sender, to=subscriber.address)
        try:
            await asyncio.to_thread(_handed_over, self._server, message)
        except smtplib.SMTPResponseException as error:
            return Attempt(error=f"the mail server said {error.smtp_code} {_said(error.smtp_error)}")
        except smtplib.SMTPRecipientsRefused as error:
            (code, reply) = next(iter(error.recipients.values()))
            return Attempt(error=f"the mail server refused the address: {code} {_said(reply)}")
        except UnicodeError:
            # Its own words hold a letter of the password
            return Attempt(error="smtp_user, smtp_password, smtp_from: a mail server takes ASCII only", is_down=True)
        except (smtplib.SMTPException, OSError) as error:
            reason = _line(error) or type(error).__name__
            return Attempt(error=f"the mail server cannot be reached: {reason}", is_down=True)
        return Attempt()


def composed(events: Sequence[Mapping[str, Any]], *, sender: str, to: str) -> EmailMessage:
    """One message about some events. What stations wrote has no line breaks left: it forges neither header nor line."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = _subject(events)
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{events[0]['id']}.{len(events)}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_told(event) for event in events) + "\n")
    return message


def _subject(events: Sequence[Mapping[str, Any]]) -> str:
    first = f"{events[0]['type']} {_line(events[0]['data'].get('station', ''))}".strip()
    more = f" and {len(events) - 1} more" if len(events) > 1 else ""
    return f"{first[:LONGEST_SUBJECT]}{more}"


def _told(event: Mapping[str, Any]) -> str:
    facts = [f"{name} {_line(value)}" for name, value in event["data"].items() if value not in (None, "", "main")]
    return f"{event['timestamp']}  {event['type']}  {', '.join(facts)}"


def _line(value: object) -> str:
    text = " ".join(str(value).split())
    return "".join(character for character in text if character.isprintable())[:300]


def _said(reply: bytes | str) -> str:
    return _line(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply)


def _handed_over(server: MailServer, message: EmailMessage) -> None:
    context = ssl.create_default_context(cafile=server.ca_file or None)
    # Named here: smtplib would look this machine's name up, which may take long or fail
    line: dict[str, Any] = {"local_hostname": server.sender.rpartition("@")[2], "timeout": TIMEOUT}
    if server.security == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, context=context, **line)
    else:
        client = smtplib.SMTP(server.host, server.port, **line)
    with client:
        if server.security == "starttls":
            client.starttls(context=context)
        if server.user:
            client.login(server.user, server.password)
        client.send_message(message)
