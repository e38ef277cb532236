"""Short links: what a tracked address in a text is, kept so that the text stays short."""

import hashlib
import hmac
import re
from datetime import datetime

import msgspec

from engage.domain.ids import DeliveryId, ProfileId

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 11
"""Letters of an id: 65 bits, so that nobody finds somebody else's link by trying."""
_PURPOSE = b"engage short link 1"

ROOM = "video:"
"""Begins the address of a room to meet in by video: a link to it lets one person in."""
MAX_ROOM = 100
_ROOM_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_ROOM}}}")


class ShortLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link in one delivery; it leads nowhere but to `url`."""

    id: str
    delivery: DeliveryId
    profile: ProfileId
    url: str
    created_at: datetime


def short_id(delivery: DeliveryId, url: str, secret: str) -> str:
    """Return the id of a link: the same whenever this delivery is rendered again, and guessed by nobody."""
    key = hashlib.blake2b(_PURPOSE, key=hashlib.sha256(secret.encode()).digest()).digest()
    number = int.from_bytes(hmac.digest(key, f"{delivery} {url}".encode(), "sha256")[:9])
    letters = []
    for _ in range(LENGTH):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)


def is_room(name: str) -> bool:
    """Return whether a text may be the name of a room."""
    return _ROOM_NAME.fullmatch(name) is not None


def is_short_id(text: str) -> bool:
    """Return whether a text could be one of ours: tokens are much longer."""
    return len(text) == LENGTH and text.isascii() and text.isalnum()
