"""Addresses as the house compares them: e-mail in lower case, phone numbers as E.164."""

import re
from functools import lru_cache

import phonenumbers

from engage.domain.delivery.delivery import Channel

MAX_EMAIL = 320
"""64 for the local part, one @, 255 for the domain (RFC 5321, 4.5.3.1)."""
MAX_PHONE = 40
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x20\x7f]+@[^\s@<>,;:\"()\[\]\\/\x00-\x20\x7f]+")


def normal_email(text: str) -> str | None:
    """Return the form under which an e-mail address is compared and kept as identifier; None if it is none."""
    text = text.strip()
    if len(text) > MAX_EMAIL or _EMAIL.fullmatch(text) is None:
        return None
    return text.lower()


@lru_cache(maxsize=20_000)
def normal_phone(text: str, region: str) -> str | None:
    """Return a phone number as E.164; `region` (`US`) is meant where it has no country. None if it is no number."""
    if len(text) > MAX_PHONE:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # "Possible", not "valid": tables of valid ranges are always behind the carriers, and a number that exists is not ours to refuse.
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normal_address(channel: str, text: str, region: str) -> str | None:
    """Return the address in the form its channel compares, None if it is no address of that channel."""
    if channel == Channel.EMAIL:
        return normal_email(text)
    if channel == Channel.CHAT:
        return text.strip() or None
    return normal_phone(text, region)
