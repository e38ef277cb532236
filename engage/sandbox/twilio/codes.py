"""Verify: codes that the provider makes, sends and checks. The code is always 123456, and stands in the person's phone."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request

from engage.sandbox.errors import Reply, json_reply, twilio_error
from engage.sandbox.fates import MESSAGE_TO, is_number
from engage.sandbox.now import unix_now
from engage.sandbox.twilio.record_routes import RecordRoutes, Row
from engage.sandbox.twilio.records import Record, new_sid
from engage.sandbox.twilio.shapes import CHECK, CHECK_LACKS, shown
from engage.sandbox.wire import one, parse_form

VERIFY_CODE = "123456"
TEXT = f"Your Sandbox verification code is: {VERIFY_CODE}"
MOST_CHECKS = MOST_SENDS = 5
LIFE_SECONDS = 600
"""How long a code is good."""


class CodeRoutes(RecordRoutes):
    """Verifications and their checks."""

    def table(self) -> list[Row]:
        return [
            ("POST", "/v2/Services/{service}/Verifications", self._send),
            ("GET", "/v2/Services/{service}/Verifications/{name}", self._fetch),
            ("POST", "/v2/Services/{service}/VerificationCheck", self._check),
        ]

    async def _send(self, request: Request) -> Reply:
        """Make a code; as long as one is open for the address, the same one is sent again."""
        form, service = parse_form(await request.body()), request.path_params["service"]
        to, channel = one(form, "To"), one(form, "Channel")
        if not to or channel not in {"sms", "call", "email", "whatsapp"}:
            return twilio_error(60200)
        if channel != "email" and (to in MESSAGE_TO or not is_number(to)):
            return twilio_error(60200)
        found = self._open(service, {to})
        if found is not None and len(found["send_code_attempts"]) >= MOST_SENDS:
            return twilio_error(60203)
        if found is None:
            values = {
                "service_sid": service,
                "to": to,
                "status": "pending",
                "valid": False,
                "lookup": {},
                "checks": 0,
                "made_at": self._sandbox.clock.now(),
                "send_code_attempts": [],
            }
            found = self._record("verifications", "VE", values)
        found["channel"] = channel
        found["send_code_attempts"].append(
            {
                "attempt_sid": new_sid("VL"),
                "channel": channel,
                "time": datetime.fromtimestamp(unix_now(), UTC).isoformat(),
            }
        )
        self._tell(to, channel)
        return json_reply(201, shown("verifications", found))

    def _tell(self, to: str, channel: str) -> None:
        """Let the code arrive where the person can read it."""
        sandbox = self._sandbox
        sender = sandbox.pool_of("")[0]
        if channel == "call":
            twiml = f"<Response><Say>{TEXT}</Say></Response>"
            sandbox.calls.create(
                sandbox.account_sid(), {"To": [to], "From": [sender], "Twiml": [twiml]}, unix_now()
            )
        elif channel != "email":
            prefix = "whatsapp:" if channel == "whatsapp" else ""
            sandbox.messages.reply(sandbox.account_sid(), prefix + to, prefix + sender, TEXT)

    async def _fetch(self, request: Request) -> Reply:
        found = self._open(request.path_params["service"], {request.path_params["name"]})
        return json_reply(200, shown("verifications", found)) if found else twilio_error(20404)

    async def _check(self, request: Request) -> Reply:
        form = parse_form(await request.body())
        names = {one(form, "To"), one(form, "VerificationSid")} - {""}
        found = self._open(request.path_params["service"], names)
        if found is None:
            return twilio_error(20404)
        if found["checks"] >= MOST_CHECKS:
            return twilio_error(60202)
        found["checks"] += 1
        if one(form, "Code") == VERIFY_CODE:
            found |= {"status": "approved", "valid": True}
        told = {
            name: value for name, value in shown("verifications", found).items() if name not in CHECK_LACKS
        }
        return json_reply(200, told | CHECK)

    def _open(self, service: str, names: set[str]) -> Record | None:
        """Return the newest verification that still waits for its code, by its id or address."""
        for record in reversed(self._kept.all("verifications")):
            is_fresh = self._sandbox.clock.now() - record["made_at"] < LIFE_SECONDS
            is_open = record["status"] == "pending" and is_fresh and record["service_sid"] == service
            if is_open and names & {record["to"], record["sid"]}:
                return record
        return None
