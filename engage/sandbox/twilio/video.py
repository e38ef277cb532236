"""Video: rooms by name, created, found and closed; who comes and goes is `rooms`."""

from __future__ import annotations

from starlette.requests import Request

from engage.sandbox.errors import Reply, json_reply, twilio_error
from engage.sandbox.twilio.record_routes import RecordRoutes, Row
from engage.sandbox.twilio.rooms import OPEN
from engage.sandbox.twilio.shapes import shown
from engage.sandbox.wire import one, parse_form


class VideoRoutes(RecordRoutes):
    """Creating, finding and closing rooms."""

    def table(self) -> list[Row]:
        return [
            ("POST", "/v1/Rooms", self._new_room),
            ("GET", "/v1/Rooms/{room}", self._room),
            ("POST", "/v1/Rooms/{room}", self._change_room),
        ]

    async def _new_room(self, request: Request) -> Reply:
        form = parse_form(await request.body())
        name = one(form, "UniqueName") or None
        if name is not None and self._sandbox.rooms.find(name) is not None:
            return twilio_error(53113)
        values = {
            "unique_name": name,
            "status": OPEN,
            "type": one(form, "Type") or "group",
            "max_participants": 50,
            "status_callback": one(form, "StatusCallback") or None,
            "status_callback_method": one(form, "StatusCallbackMethod") or "POST",
            "sequence": 0,
            "duration": None,
            "end_time": None,
        }
        room = self._record("rooms", "RM", values)
        room["unique_name"] = name or room["sid"]
        self._sandbox.rooms.report(room, "room-created")
        return json_reply(201, shown("rooms", room))

    async def _room(self, request: Request) -> Reply:
        room = self._sandbox.rooms.find(request.path_params["room"])
        return json_reply(200, shown("rooms", room)) if room else twilio_error(20404)

    async def _change_room(self, request: Request) -> Reply:
        room = self._sandbox.rooms.find(request.path_params["room"])
        if room is None:
            return twilio_error(20404)
        if one(parse_form(await request.body()), "Status") != "completed":
            return twilio_error(20001, detail="Status must be completed")
        self._sandbox.rooms.close(room)
        return json_reply(202, shown("rooms", room))
