"""Rooms of Twilio's Video: a link in a message opens the room and lets one person in; who came and who left comes back."""

import re
from urllib.parse import quote

from twilio.base.exceptions import TwilioRestException
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant
from twilio.rest import Client

from engage.channels.twilio_callbacks import Reference, TwilioWebhook, as_reference
from engage.channels.twilio_sms import FAILURES, PROVIDER
from engage.domain.delivery.delivery import Mark
from engage.domain.fact import Receipt
from engage.ports.channel import Heard, SignedRequest

TOKEN_SECONDS = 4 * 3600
"""How long a token lets in; a room's participants may stay as long by default."""
ROOM_EXISTS = 53113
_MARKS = {"participant-connected": Mark.ANSWERED, "participant-disconnected": Mark.COMPLETED}
_IDENTITY = re.compile(r"(.{36})\.(\d{1,2})\Z")


class TwilioRooms:
    """Opens rooms and signs tokens. The SDK's client over kept connections."""

    def __init__(
        self, client: Client, *, account: str, key: str, secret: str, page: str, public_url: str
    ) -> None:
        """`page`: where people meet; it reads `room` and `token` behind the `#`, which no server sees."""
        self._rooms = client.video.v1.rooms
        self._account, self._key, self._secret, self._page = account, key, secret, page
        self._callback = f"{public_url}/webhooks/twilio/video"

    def enter(self, room: str, reference: str) -> str | None:
        """Open the room if nobody has, and return the page's address with a token for one person."""
        try:
            self._rooms.create(
                unique_name=room, status_callback=self._callback, status_callback_method="POST"
            )
        except TwilioRestException as exc:
            if exc.code != ROOM_EXISTS:
                return None
        except FAILURES:
            return None
        token = AccessToken(self._account, self._key, self._secret, identity=reference, ttl=TOKEN_SECONDS)
        token.add_grant(VideoGrant(room=room))
        return f"{self._page}#room={quote(room)}&token={token.to_jwt()}"


class RoomWebhook(TwilioWebhook):
    """`twilio/video`: the status callback of our rooms. Coming in is `answered`, leaving `completed`."""

    path = "twilio/video"

    def _read(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        event = fields.get("StatusCallbackEvent", "")
        if not event:
            return self._odd("no_event", request)
        mark, ours = _MARKS.get(event), _reference(fields.get("ParticipantIdentity", ""))
        if mark is None or ours is None:
            return Heard()  # of the room itself, or about somebody of the project's own
        duration = fields.get("ParticipantDuration", "")
        receipt = Receipt(
            delivery=ours.delivery,
            mark=mark,
            at=request.received_at,
            receipt_id=f"{fields.get('ParticipantSid', '')}:{event}",
            provider=PROVIDER,
            duration=int(duration) if duration.isdecimal() and len(duration) < 9 else None,
        )
        return Heard(receipts=((ours.lane, receipt),))


def _reference(identity: str) -> Reference | None:
    found = _IDENTITY.match(identity)
    return None if found is None else as_reference(*found.groups())
