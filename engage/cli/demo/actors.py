"""The demo's actors: they do what the story says, at its hour, through the real HTTP API and the sandbox's telephones."""

import re
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from engage.cli.client import Client, ClientError
from engage.cli.demo.story import Act
from engage.clocks import TimeLapse
from engage.settings import Settings


class Actors:
    """Everybody outside: customers, the warehouse, the booking system."""

    def __init__(self, settings: Settings, clock: TimeLapse, sandbox: str) -> None:
        """Speak to the API as its write key and its token, and to the sandbox as a telephone."""
        self._clock, self._base, self._shop = clock, settings.base_url, settings.twilio_from
        self._events = Client(settings.base_url, user=settings.write_keys[0].partition(":")[0])
        self._api = Client(settings.base_url, token=settings.api_tokens[0])
        self._sandbox = Client(sandbox)
        self._traits: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []
        """What the API refused."""

    def perform(self, acts: Sequence[Act]) -> None:
        """Do each act at its hour."""
        opening = self._clock.now()
        for act in acts:
            self._clock.sleep_until(opening + timedelta(hours=act.at))
            try:
                self._act(act)
            except ClientError as exc:
                self.errors.append(str(exc))

    def _act(self, act: Act) -> None:
        body = dated(act, self._clock.now())
        match act.kind:
            case "identify":
                self._traits[act.person] = body
                self._events.call("POST", "/v1/identify", _call(act.person, traits=body))
            case "track":
                self._events.call("POST", "/v1/track", _call(act.person, **body))
            case "signal":
                self._events.call("POST", "/v1/signals", {**body, "messageId": str(uuid4())})
            case "subscribe":
                wish = {"profile": f"user_id:{act.person}", "state": "subscribed", "source": "checkout"}
                self._api.call("PUT", "/v1/subscriptions", {"subscriptions": [wish | body]})
            case "start":
                path = f"/v1/journeys/{body['journey']}/start"
                start = {"profile": f"user_id:{act.person}", "entry": body["entry"]}
                self._api.call("POST", path, start)
            case "confirm":
                self._confirm(self._traits[act.person]["email"])
            case _:
                message = {"channel": "sms", "from": self._traits[act.person]["phone"], "to": self._shop}
                self._sandbox.call("POST", "/_sandbox/inbound", message | body)

    def _confirm(self, mailbox: str) -> None:
        """Press the button in the newest mail that has one; whose mail did not arrive cannot."""
        messages = self._sandbox.call("GET", f"/_sandbox/messages?channel=email&to={mailbox}")["messages"]
        for message in reversed(messages):
            link = re.search(rf"{re.escape(self._base)}(/c/[^\"'<>\s]+)", message["html"] or "")
            if link is not None:
                self._api.press(link[1])
                return


def _call(person: str, **body: Any) -> dict[str, Any]:
    return {"userId": person, **body, "messageId": str(uuid4())}


def dated(act: Act, now: datetime) -> dict[str, Any]:
    """Return the body of an act with its instants in it."""
    body = deepcopy(act.body)
    for path, hours in act.dates.items():
        place = body
        *parents, name = path.split(".")
        for parent in parents:
            place = place[parent]
        place[name] = (now + timedelta(hours=hours)).isoformat()
    return body
