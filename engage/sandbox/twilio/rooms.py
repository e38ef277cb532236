"""Rooms of Video: who comes in with a token, who leaves, and what the room's status callback is told."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from engage.sandbox.ledger import Channel, Entry
from engage.sandbox.now import unix_now
from engage.sandbox.twilio.records import Record, new_sid

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

OPEN = "in-progress"


class NoSuchRoomError(ValueError):
    """No open room has this name, nobody by this name is in it, or the token does not let in."""


class Rooms:
    """Lets people in and out, and reports each step."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def find(self, name: str) -> Record | None:
        """Return the room of this name or id that is open."""
        for room in reversed(self._sandbox.records.all("rooms")):
            if room["status"] == OPEN and name in (room["sid"], room["unique_name"]):
                return room
        return None

    def close(self, room: Record) -> None:
        """End a room: everybody leaves first."""
        for person in self._sandbox.records.all("room_participants"):
            if person["room_sid"] == room["sid"] and person["status"] == "connected":
                self._leave(room, person)
        room["status"] = "completed"
        self.report(room, "room-ended")

    def act(self, who: str, verb: str) -> Record:
        """Let somebody `join` by a token, or `leave`; `end` closes the room `who`.

        Raises:
            NoSuchRoomError: the token is not good, or there is no such room or person.
        """
        if verb == "join":
            return self._join(who)
        if verb == "end":
            room = self.find(who)
            if room is None:
                raise NoSuchRoomError(f"no open room is called {who!r}")
            self.close(room)
            return room
        identity = self._granted(who)[0] if who.count(".") == 2 else who
        for person in reversed(self._sandbox.records.all("room_participants")):
            if verb == "leave" and person["identity"] == identity and person["status"] == "connected":
                room = self._sandbox.records.get("rooms", person["room_sid"])
                assert room is not None
                self._leave(room, person)
                return person
        raise NoSuchRoomError(f"{who[:40]!r} cannot {verb!r}")

    def _join(self, token: str) -> Record:
        identity, name = self._granted(token)
        room = self.find(name)
        if room is None:
            raise NoSuchRoomError(f"no open room is called {name!r}")
        person = self._sandbox.records.add(
            "room_participants",
            {
                "sid": new_sid("PA"),
                "room_sid": room["sid"],
                "identity": identity,
                "status": "connected",
                "at": self._sandbox.clock.now(),
            },
        )
        self.report(room, "participant-connected", person)
        return person

    def _leave(self, room: Record, person: Record) -> None:
        person["status"] = "disconnected"
        person["duration"] = round(self._sandbox.clock.now() - person["at"])
        self.report(room, "participant-disconnected", person)

    def _granted(self, token: str) -> tuple[str, str]:
        """Return identity and room of an access token: a JWT, signed with the secret of an API key.

        Raises:
            NoSuchRoomError: it is none of ours, is too old, or grants no room.
        """
        try:
            signed, _, signature = token.rpartition(".")
            head, _, body = signed.partition(".")
            claims: dict[str, Any] = msgspec.json.decode(_plain(body))
            algorithm = msgspec.json.decode(_plain(head))["alg"]
            secret = self._sandbox.config.api_keys.get(claims["iss"], "")
            good = hmac.compare_digest(
                hmac.digest(secret.encode(), signed.encode(), "sha256"), _plain(signature)
            )
            grants = claims["grants"]
            identity, room = str(grants["identity"]), str(grants["video"]["room"])
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            raise NoSuchRoomError("this is no token for a room") from exc
        if not good or not secret or algorithm != "HS256" or claims["exp"] < unix_now():
            raise NoSuchRoomError("this token does not let in")
        return identity, room

    def report(self, room: Record, event: str, person: Record | None = None) -> None:
        """Post an event of a room to its status callback, signed."""
        url = room["status_callback"]
        if not url:
            return
        now = unix_now()
        fields = [
            ("AccountSid", str(room["account_sid"])),
            ("RoomName", str(room["unique_name"])),
            ("RoomSid", str(room["sid"])),
            ("RoomStatus", str(room["status"])),
            ("RoomType", str(room["type"])),
            ("SequenceNumber", str(room["sequence"])),
            ("StatusCallbackEvent", event),
            ("Timestamp", datetime.fromtimestamp(now, UTC).isoformat()),
        ]
        room["sequence"] += 1
        if person is not None:
            fields += [
                ("ParticipantIdentity", str(person["identity"])),
                ("ParticipantSid", str(person["sid"])),
                ("ParticipantStatus", str(person["status"])),
            ]
            if "duration" in person:
                fields.append(("ParticipantDuration", str(person["duration"])))
        about = Entry(
            id=room["sid"],
            channel=Channel.SMS,
            ref=None,
            to="",
            sender="",
            body="",
            status=room["status"],
            accepted_at=now,
            account_sid=room["account_sid"],
        )
        self._sandbox.hooks.emit(about, url, fields, event, last=event == "room-ended")


def _plain(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
