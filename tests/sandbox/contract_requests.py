"""How each of the vendors' routes is asked, so that there is something to find."""

from __future__ import annotations

import base64
import json
import re
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

from tests.sandbox.twin import ACCOUNT, FROM, PERSON, TOKEN, Twin, wait_until

A = f"/2010-04-01/Accounts/{ACCOUNT}"
WS, WW, VA, MG = (name + "a" * 32 for name in ("WS", "WW", "VA", "MG"))
MAIL = "ada@sandbox.example"
LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails")

Reply = tuple[int, Any]


class Client:
    """Speaks to the twin as bytes on the wire, and remembers what made each kind of thing."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self._host = twin.url.removeprefix("http://")

    @staticmethod
    def headers(route: str, *, known: bool = True) -> dict[str, str]:
        """Return the credentials of a request."""
        if " /v3/" in route:
            return {"Authorization": "Bearer SG.key"} if known else {}
        return {"Authorization": _basic(TOKEN if known else "wrong")}

    def ask(self, route: str, *, known: bool = True, **sent: Any) -> Reply:
        """Ask, and return status and JSON of the answer."""
        verb, _, path = route.partition(" ")
        headers = self.headers(route, known=known)
        body = None
        if "form" in sent:
            headers["Content-Type"], body = (
                "application/x-www-form-urlencoded",
                urlencode(sent["form"], doseq=True),
            )
        elif "json" in sent:
            headers["Content-Type"], body = "application/json", json.dumps(sent["json"])
        connection = HTTPConnection(self._host, timeout=5)
        try:
            connection.request(verb, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(data) if data else None


def _basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"{ACCOUNT}:{token}".encode()).decode()


MESSAGE = {"To": PERSON, "From": FROM, "Body": "Hello"}
CALL = {"To": PERSON, "From": FROM, "Twiml": "<Response><Say>Hello</Say></Response>"}
MAIL_BODY = {
    "personalizations": [{"to": [{"email": MAIL}]}],
    "from": {"email": "hello@shop.example"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello"}],
}
GROUP = {"name": "News", "description": "Weekly"}
HOOK = {"url": "http://127.0.0.1:9/events", "enabled": True, "delivered": True}
CONTENT = {
    "friendly_name": "c",
    "language": "en",
    "variables": {"1": "x"},
    "types": {"twilio/text": {"body": "Hi {{1}}"}},
}
INTERACTION = {
    "Channel": json.dumps({"type": "sms", "initiated_by": "api", "properties": {"media_channel_sid": "CH1"}}),
    "Routing": json.dumps({"properties": {"workspace_sid": WS, "workflow_sid": WW, "attributes": {"a": 1}}}),
}
TASK = {"Attributes": "{}", "WorkflowSid": WW}
VERIFY = {"To": PERSON, "Channel": "sms"}

BODIES: dict[str, dict[str, Any]] = {
    "POST /2010-04-01/Accounts/{}/Messages.json": {"form": MESSAGE},
    "POST /2010-04-01/Accounts/{}/Messages/{}.json": {"form": {"Body": ""}},
    "POST /2010-04-01/Accounts/{}/Messages/{}/Feedback.json": {"form": {"Outcome": "confirmed"}},
    "POST /2010-04-01/Accounts/{}/Calls.json": {"form": CALL},
    "POST /2010-04-01/Accounts/{}/Calls/{}.json": {"form": {"Status": "completed"}},
    "POST /v1/Workspaces/{}/Tasks": {"form": TASK},
    "POST /v1/Workspaces/{}/Tasks/{}": {"form": {"Attributes": '{"b": 2}'}},
    "POST /v1/Interactions": {"form": INTERACTION},
    "POST /v1/Conversations": {"form": {"FriendlyName": "c", "UniqueName": "u"}},
    "POST /v1/Conversations/{}/Participants": {
        "form": {"MessagingBinding.Address": PERSON, "MessagingBinding.ProxyAddress": FROM}
    },
    "POST /v1/Conversations/{}/Messages": {"form": {"Author": "shop", "Body": "Hello"}},
    "POST /v1/Content": {"json": CONTENT},
    "POST /v1/Content/{}/ApprovalRequests/whatsapp": {"json": {"name": "hello", "category": "UTILITY"}},
    "POST /v2/Services/{}/Verifications": {"form": VERIFY},
    "POST /v2/Services/{}/VerificationCheck": {"form": {"To": PERSON, "Code": "123456"}},
    "POST /v1/Rooms": {"form": {"UniqueName": "room"}},
    "POST /v1/Rooms/{}": {"form": {"Status": "completed"}},
    "POST /v3/mail/send": {"json": MAIL_BODY},
    "POST /v3/user/scheduled_sends": {"json": {"status": "pause"}},
    "POST /v3/asm/suppressions/global": {"json": {"recipient_emails": [MAIL]}},
    "POST /v3/asm/groups": {"json": GROUP},
    "POST /v3/asm/groups/{}/suppressions": {"json": {"recipient_emails": [MAIL]}},
    "POST /v3/user/webhooks/event/settings": {"json": HOOK},
    "PATCH /v3/user/webhooks/event/settings/{}": {"json": HOOK},
    "PATCH /v3/user/webhooks/event/settings/signed/{}": {"json": {"enabled": True}},
    "POST /v3/user/webhooks/event/test": {"json": {"url": "http://127.0.0.1:9/events"}},
    **{f"DELETE /v3/suppression/{name}": {"json": {"emails": [MAIL]}} for name in LISTS},
}
MADE_BY = {
    "Messages/{}": "POST /2010-04-01/Accounts/{}/Messages.json",
    "Calls/{}": "POST /2010-04-01/Accounts/{}/Calls.json",
    "Tasks/{}": "POST /v1/Workspaces/{}/Tasks",
    "Conversations/{}": "POST /v1/Conversations",
    "Content/{}": "POST /v1/Content",
    "Verifications/{}": "POST /v2/Services/{}/Verifications",
    "Rooms/{}": "POST /v1/Rooms",
    "batch/{}": "POST /v3/mail/batch",
    "scheduled_sends/{}": "POST /v3/mail/batch",
    "groups/{}": "POST /v3/asm/groups",
}
FIXED = {
    "Accounts/{}": ACCOUNT,
    "Workspaces/{}": WS,
    "Services/{}": VA,
    "PhoneNumbers/{}": PERSON,
    "settings/signed/{}": "sandbox",
    "settings/{}": "sandbox",
    "{}": quote(MAIL),
}


def prepared(client: Client, route: str) -> tuple[str, dict[str, Any]]:
    """Make what the route needs; return the route with real ids, and what to send."""
    sent: dict[str, Any] = json.loads(json.dumps(BODIES.get(route, {})))
    wanted = route
    route = route.replace("{}", MG) if route == "GET /v1/Services/{}" else route
    if "Conversations/{}/Messages/{}" in route:
        route = _written(client, route)
    for part, maker in MADE_BY.items():
        if part in route and route != maker:
            made_route, body = prepared(client, maker)
            _, made = client.ask(made_route, **body)
            made_id = str(made.get("sid") or made.get("batch_id") or made.get("id"))
            route = route.replace(part, part.replace("{}", made_id))
    route = _twilio_things(client, wanted, route)
    _sendgrid_things(client, wanted, route, sent)
    for part, value in FIXED.items():
        route = route.replace(part, part.replace("{}", value))
    return route, sent


def _written(client: Client, route: str) -> str:
    """Write to a phone in a conversation; the route's ids are those of the conversation, the message and its receipt."""
    made = prepared(client, "POST /v1/Conversations/{}/Participants")
    conversation = str(client.ask(made[0], **made[1])[1]["conversation_sid"])
    base = f"/v1/Conversations/{conversation}/Messages"
    message = str(client.ask(f"POST {base}", form={"Author": "shop", "Body": "Hello"})[1]["sid"])
    wait_until(client.twin.is_quiet)
    (receipt,) = client.ask(f"GET {base}/{message}/Receipts")[1]["delivery_receipts"]
    return route.replace("{}", conversation, 1).replace("{}", message, 1).replace("{}", receipt["sid"])


def _twilio_things(client: Client, wanted: str, route: str) -> str:
    """Make what stands in lists, or must be in some state."""
    if wanted == "POST /2010-04-01/Accounts/{}/Calls/{}.json":
        client.twin.configure(latencies=True, speed=0)  # else the call is over by now
        return f"POST {A}/Calls/{client.ask(f'POST {A}/Calls.json', form=CALL)[1]['sid']}.json"
    if wanted == "POST /v2/Services/{}/VerificationCheck":
        client.ask(f"POST /v2/Services/{VA}/Verifications", form=VERIFY)
    if wanted == "GET /v1/Conversations/{}/Messages":
        client.ask(route.replace("GET", "POST"), form={"Author": "a", "Body": "b"})
    if wanted == "GET /v1/Workspaces/{}/Tasks":
        client.ask(f"POST /v1/Workspaces/{WS}/Tasks", form=TASK)
    for name, form in (("Messages", MESSAGE), ("Calls", CALL)):
        if wanted == f"GET /2010-04-01/Accounts/{{}}/{name}.json":
            client.ask(f"POST {A}/{name}.json", form=form)
    return f"{route}?Fields=line_type_intelligence" if "PhoneNumbers/{}" in route else route


def _sendgrid_things(client: Client, wanted: str, route: str, sent: dict[str, Any]) -> None:
    """Put an address on every list, and make batches that may be paused."""
    if wanted == "POST /v3/user/scheduled_sends":
        sent["json"]["batch_id"] = client.ask("POST /v3/mail/batch")[1]["batch_id"]
    if wanted == "DELETE /v3/user/scheduled_sends/{}":
        batch = route.rpartition("/")[2]
        client.ask("POST /v3/user/scheduled_sends", json={"batch_id": batch, "status": "cancel"})
    if "suppression" in wanted:
        for name in (*LISTS, "unsubscribes"):
            client.twin.post("suppressions", {"list": name, "email": MAIL})
    if wanted.startswith(("DELETE /v3/asm/groups", "GET /v3/asm")):
        group = re.search(r"groups/(\d+)/", route)
        there = group[1] if group else str(client.ask("POST /v3/asm/groups", json=GROUP)[1]["id"])
        client.ask(f"POST /v3/asm/groups/{there}/suppressions", json={"recipient_emails": [MAIL]})
