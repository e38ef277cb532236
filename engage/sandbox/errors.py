"""The providers' refusals: codes, HTTP statuses and wording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

# Code to (HTTP status, message); wording after the vendor's error dictionary, abridged.
TWILIO_ERRORS: dict[int, tuple[int, str]] = {
    20001: (400, "Unknown parameters or a parameter has a bad value"),
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20415: (415, "Unsupported media type: send application/x-www-form-urlencoded"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service Unavailable"),
    21201: (400, "No 'To' number specified"),
    21205: (400, "Url is not a valid URL"),
    21210: (400, "'From' phone number not verified"),
    21211: (400, "The 'To' number is not a valid phone number"),
    21212: (400, "The 'From' number is not a valid phone number, short code or alphanumeric sender"),
    21213: (400, "Caller phone number is required"),
    21214: (400, "'To' phone number cannot be reached"),
    21215: (400, "Account not authorized to call this number"),
    21216: (400, "Account not allowed to call this number"),
    21217: (400, "Phone number does not appear to be valid"),
    21220: (400, "Call is not in-progress; cannot redirect"),
    21266: (400, "'To' and 'From' number cannot be the same"),
    21408: (400, "Permission to send an SMS has not been enabled for the region of the 'To' number"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' or 'MessagingServiceSid' is required"),
    21604: (400, "A 'To' phone number is required"),
    21606: (
        400,
        "The 'From' phone number provided is not a valid, message-capable phone number of your account",
    ),
    21609: (400, "The 'StatusCallback' URL is not a valid URL"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "Message cannot be sent with the current combination of 'To' and 'From'"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21623: (400, "Number of media files exceeds allowed limit"),
    21624: (400, "Validity period is out of range: 1 to 36000 seconds"),
    21701: (404, "The Messaging Service resource does not exist"),
    22005: (400, "Too many calls are queued for this account"),
    30409: (409, "The message is in a state that does not allow this change"),
    50353: (409, "Conversation with provided unique name already exists"),
    50416: (409, "Participant already exists"),
    53113: (400, "Room exists"),
    60200: (400, "Invalid parameter"),
    60202: (429, "Max check attempts reached"),
    60203: (429, "Max send attempts reached"),
    35111: (400, "SendAt must be between 15 minutes and 35 days ahead"),
    35118: (400, "MessagingServiceSid is required to schedule a message"),
}

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = field(default=())


def json_reply(status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return `value` as a JSON answer."""
    return Reply(status, msgspec.json.encode(value), JSON, headers)


def twilio_error(code: int, *, retry_after: float | None = None, detail: str = "") -> Reply:
    """Return the error body `{code, message, more_info, status}` of a known code."""
    status, message = TWILIO_ERRORS[code]
    headers: tuple[tuple[str, str], ...] = ()
    if retry_after is not None:
        headers = (("retry-after", f"{retry_after:g}"),)
    return json_reply(
        status,
        {
            "code": code,
            "message": f"{message}: {detail}" if detail else message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
        headers,
    )


def twilio_refusal(code: int) -> Reply:
    """Return the error body of any code, with the HTTP status of a refused request where we know no other."""
    if code in TWILIO_ERRORS:
        return twilio_error(code)
    link = f"https://www.twilio.com/docs/errors/{code}"
    return json_reply(400, {"code": code, "message": f"Error {code}", "more_info": link, "status": 400})


def sendgrid_error(
    status: int,
    message: str,
    field_name: str | None = None,
    *,
    help_text: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Reply:
    """Return the error body `{"errors": [{message, field, help}]}`."""
    return json_reply(
        status, {"errors": [{"message": message, "field": field_name, "help": help_text}]}, headers
    )
