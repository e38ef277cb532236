"""What `POST /v3/mail/send` refuses, with the field it names."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]

MOST_PERSONALIZATIONS = 1000
MOST_RECIPIENTS = 1000
MOST_CATEGORIES = 10
MOST_GROUPS_SHOWN = 25
LARGEST_CUSTOM_ARGS = 10_000
LONGEST_AHEAD_SECONDS = 72 * 3600
RESERVED_HEADERS = frozenset(
    [
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    ]
)
HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message."


def mistakes(mail: Any, now: float) -> list[Json]:
    """Return the errors of a mail/send body, empty if it may be sent; `now` is Unix seconds."""
    if not isinstance(mail, dict):
        return [_error("Bad Request: the body must be a JSON object", None)]
    return [_error(message, field) for message, field in _all(mail, now)]


def _error(message: str, field: str | None) -> Json:
    return {"message": message, "field": field, "help": f"{HELP}{field}" if field else None}


Found = Iterator[tuple[str, str | None]]


def _all(mail: Json, now: float) -> Found:
    yield from _personalizations(mail.get("personalizations"), now)
    yield from _address(mail.get("from"), "from", "The from object must be provided for every email send.")
    if "reply_to" in mail and "reply_to_list" in mail:
        yield "Use either reply_to or reply_to_list, not both.", "reply_to_list"
    yield from _objects(mail, "", ("reply_to", "mail_settings", "tracking_settings"))
    for name in ("mail_settings", "tracking_settings"):
        settings = mail.get(name)
        if isinstance(settings, dict):
            yield from _objects(settings, f"{name}.", settings)
    yield from _content(mail, is_needed=not mail.get("template_id"))
    yield from _headers(mail.get("headers"), "headers")
    yield from _custom_args(mail.get("custom_args"), "custom_args")
    yield from _categories(mail.get("categories"))
    yield from _send_at(mail.get("send_at"), "send_at", now)
    yield from _asm(mail.get("asm"))
    yield from _pool(mail.get("ip_pool_name"))
    yield from _attachments(mail.get("attachments"))
    yield from _replies(mail)


def _asm(asm: Any) -> Found:
    if asm is None:
        return
    if not isinstance(asm, dict) or not isinstance(asm.get("group_id"), int):
        yield "The asm group_id is required and must be an integer.", "asm.group_id"
        return
    shown = asm.get("groups_to_display")
    if shown is not None and (not isinstance(shown, list) or len(shown) > MOST_GROUPS_SHOWN):
        yield f"No more than {MOST_GROUPS_SHOWN} groups can be displayed.", "asm.groups_to_display"


def _pool(name: Any) -> Found:
    if name is not None and not (isinstance(name, str) and 2 <= len(name) <= 64):
        yield "The ip_pool_name must be a string of 2 to 64 characters.", "ip_pool_name"


def _attachments(items: Any) -> Found:
    if items is None:
        return
    if not isinstance(items, list):
        yield "Attachments must be an array.", "attachments"
        return
    for index, item in enumerate(items):
        path = f"attachments.{index}"
        if not isinstance(item, dict):
            yield "Each attachment must be an object.", path
            continue
        if not isinstance(item.get("filename"), str) or not item["filename"]:
            yield "The attachment filename is required.", f"{path}.filename"
        if not _is_base64(item.get("content")):
            yield "The attachment content must be base64 encoded.", f"{path}.content"
        if item.get("disposition") not in (None, "attachment", "inline"):
            yield "The disposition can only be inline or attachment.", f"{path}.disposition"


def _is_base64(content: Any) -> bool:
    try:
        return isinstance(content, str) and bool(base64.b64decode(content, validate=True))
    except ValueError:
        return False


def _replies(mail: Json) -> Found:
    if mail.get("reply_to") is not None and isinstance(mail["reply_to"], dict):
        yield from _address(mail["reply_to"], "reply_to", "Does not contain a valid address.")
    several = mail.get("reply_to_list")
    if several is None:
        return
    if not isinstance(several, list) or not several or len(several) > MOST_RECIPIENTS:
        yield f"The reply_to_list must have 1 to {MOST_RECIPIENTS} addresses.", "reply_to_list"
        return
    for index, address in enumerate(several):
        yield from _address(address, f"reply_to_list.{index}", "Does not contain a valid address.")


def _personalizations(people: Any, now: float) -> Found:
    if not isinstance(people, list) or not people:
        yield (
            "The personalizations field is required and must have at least one personalization.",
            ("personalizations"),
        )
        return
    if len(people) > MOST_PERSONALIZATIONS:
        yield f"No more than {MOST_PERSONALIZATIONS} personalizations are allowed.", "personalizations"
    recipients = 0
    for index, person in enumerate(people):
        path = f"personalizations.{index}"
        if not isinstance(person, dict):
            yield "Each personalization must be an object.", path
            continue
        seen: set[str] = set()
        if not isinstance(person.get("to"), list) or not person["to"]:
            yield "The to array is required for all personalization objects, and must have at least one email object with a valid email address.", f"{path}.to"  # fmt: skip
            continue
        yield from _objects(person, f"{path}.", ("substitutions", "dynamic_template_data"))
        if person.get("from") is not None:
            yield from _address(person["from"], f"{path}.from", "Does not contain a valid address.")
        for kind in ("to", "cc", "bcc"):
            addresses = person.get(kind) or []
            if not isinstance(addresses, list):
                yield "Must be an array of email objects.", f"{path}.{kind}"
                continue
            for number, address in enumerate(addresses):
                recipients += 1
                where = f"{path}.{kind}.{number}"
                yield from _address(address, where, "Does not contain a valid address.")
                email = str(address.get("email", "")).lower() if isinstance(address, dict) else ""
                if email and email in seen:
                    yield "Each email address in the personalization block should be unique between to, cc, and bcc.", f"{path}.{kind}"  # fmt: skip
                seen.add(email)
        yield from _headers(person.get("headers"), f"{path}.headers")
        yield from _custom_args(person.get("custom_args"), f"{path}.custom_args")
        yield from _send_at(person.get("send_at"), f"{path}.send_at", now)
    if recipients > MOST_RECIPIENTS:
        yield f"No more than {MOST_RECIPIENTS} recipients are allowed.", "personalizations"


def _address(value: Any, field: str, missing: str) -> Found:
    if not isinstance(value, dict) or not isinstance(value.get("email"), str):
        yield missing, f"{field}.email"
        return
    local, at, domain = value["email"].strip().rpartition("@")
    if not at or not local or "@" in local or " " in value["email"].strip() or "." not in domain.strip("."):
        yield "Does not contain a valid address.", f"{field}.email"


def _objects(owner: Json, prefix: str, names: Iterable[str]) -> Found:
    for name in names:
        if owner.get(name) is not None and not isinstance(owner[name], dict):
            yield "Must be an object.", f"{prefix}{name}"


def _content(mail: Json, *, is_needed: bool) -> Found:
    people = mail.get("personalizations")
    subjects = [p.get("subject") for p in people if isinstance(p, dict)] if isinstance(people, list) else []
    if is_needed and not mail.get("subject") and not (subjects and all(subjects)):
        yield "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.", "subject"  # fmt: skip
    content = mail.get("content")
    if content is None and not is_needed:
        return
    if not isinstance(content, list) or not content:
        yield "Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block.", "content"  # fmt: skip
        return
    kinds = []
    for index, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str) or "/" not in part["type"]:
            yield "The content type must be a MIME type.", f"content.{index}.type"
            continue
        kinds.append(part["type"])
        if not isinstance(part.get("value"), str) or not part["value"]:
            yield "The content value must be a string at least one character in length.", f"content.{index}.value"  # fmt: skip
    wanted = [kind for kind in kinds if kind == "text/plain"] + [k for k in kinds if k == "text/html"]
    if [kind for kind in kinds if kind in {"text/plain", "text/html"}] != wanted:
        yield "If present, text/plain must come before text/html.", "content"


def _headers(headers: Any, field: str) -> Found:
    if headers is None:
        return
    if not isinstance(headers, dict):
        yield "Headers must be an object of strings.", field
        return
    for name, value in headers.items():
        if not isinstance(value, str):
            yield "Header values must be strings.", f"{field}.{name}"
        if name.lower() in RESERVED_HEADERS:
            yield f"The header {name!r} is reserved and cannot be set.", f"{field}.{name}"


def _custom_args(arguments: Any, field: str) -> Found:
    if arguments is None:
        return
    if not isinstance(arguments, dict):
        yield "Custom args must be an object of strings.", field
        return
    if any(not isinstance(value, str) for value in arguments.values()):
        yield "Custom arg values must be strings.", field
    elif (
        sum(len(name.encode()) + len(value.encode()) for name, value in arguments.items())
        >= LARGEST_CUSTOM_ARGS
    ):
        yield f"Custom args must be less than {LARGEST_CUSTOM_ARGS} bytes.", field


def _categories(categories: Any) -> Found:
    if categories is None:
        return
    if not isinstance(categories, list) or len(categories) > MOST_CATEGORIES:
        yield f"No more than {MOST_CATEGORIES} categories are allowed.", "categories"
    elif len(set(map(str, categories))) != len(categories) or any(len(str(c)) > 255 for c in categories):
        yield "Categories must be unique and at most 255 characters long.", "categories"


def _send_at(value: Any, field: str, now: float) -> Found:
    if value is None:
        return
    if not isinstance(value, int) or value > now + LONGEST_AHEAD_SECONDS:
        yield "The send_at parameter must be a Unix timestamp no more than 72 hours ahead.", field
