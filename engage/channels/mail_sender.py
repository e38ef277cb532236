"""Whom a mail is from, whichever provider takes it."""

from email.utils import parseaddr
from typing import NamedTuple

from engage.ports.channel import EmailContent, Outbound


class MailSender(NamedTuple):
    """A name, perhaps empty, and an address; none at all where nobody says one."""

    name: str
    address: str


def mail_sender(outbound: Outbound, content: EmailContent, usual: str | None) -> MailSender:
    """Return what the step says, else the template, else the settings; a template's own name goes before theirs."""
    name, address = parseaddr(outbound.sender or content.from_address or usual or "")
    return MailSender(content.from_name or name, address)
