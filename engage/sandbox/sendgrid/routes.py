"""SendGrid's other routes: batches, scopes, suppressions, groups and event webhook settings."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engage.sandbox.errors import Reply, json_reply, sendgrid_error
from engage.sandbox.now import unix_now
from engage.sandbox.sendgrid.events import FLAGS
from engage.sandbox.sendgrid.suppressions import LISTS, Suppressed
from engage.sandbox.state import Sandbox
from engage.sandbox.twilio.routes import respond

SCOPES = [
    "mail.send", "mail.batch.create", "suppression.read", "suppression.bounces.read", "suppression.bounces.delete",
    "asm.groups.read", "asm.groups.create", "user.webhooks.event.settings.read", "user.webhooks.event.settings.update",
]  # fmt: skip
SETTINGS = "/v3/user/webhooks/event/settings"
NOT_FOUND = sendgrid_error(404, "resource not found")

Action = Callable[[Request], Awaitable[Reply]]


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request, empty if there is none."""
    data = await request.body()
    if not data:
        return {}
    value = msgspec.json.decode(data)
    return value if isinstance(value, dict) else {}


class SendGridRoutes:
    """All SendGrid routes but `mail/send`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Action]] = [
            ("GET", "/v3/scopes", self._scopes),
            ("POST", "/v3/mail/batch", self._new_batch),
            ("GET", "/v3/mail/batch/{batch}", self._batch),
            ("POST", "/v3/user/scheduled_sends", self._schedule),
            ("DELETE", "/v3/user/scheduled_sends/{batch}", self._unschedule),
            ("GET", "/v3/suppression/unsubscribes", self._unsubscribes),
            ("GET", "/v3/suppression/{name}", self._list),
            ("DELETE", "/v3/suppression/{name}", self._clear),
            ("GET", "/v3/suppression/{name}/{email}", self._one),
            ("DELETE", "/v3/suppression/{name}/{email}", self._remove),
            ("POST", "/v3/asm/suppressions/global", self._add_global),
            ("GET", "/v3/asm/suppressions/global/{email}", self._get_global),
            ("DELETE", "/v3/asm/suppressions/global/{email}", self._remove_global),
            ("GET", "/v3/asm/groups", self._groups),
            ("POST", "/v3/asm/groups", self._new_group),
            ("GET", "/v3/asm/groups/{group:int}/suppressions", self._group_emails),
            ("POST", "/v3/asm/groups/{group:int}/suppressions", self._add_to_group),
            ("DELETE", "/v3/asm/groups/{group:int}/suppressions/{email}", self._remove_from_group),
            ("GET", "/v3/asm/suppressions", self._all_in_groups),
            ("GET", "/v3/asm/suppressions/{email}", self._groups_of),
            ("GET", SETTINGS, self._settings),
            ("POST", SETTINGS, self._change_settings),
            ("PATCH", SETTINGS, self._change_settings),
            ("GET", SETTINGS + "/all", self._all_settings),
            ("GET", SETTINGS + "/signed", self._public_key),
            ("PATCH", SETTINGS + "/signed", self._public_key),
            ("GET", SETTINGS + "/signed/{id}", self._public_key),
            ("PATCH", SETTINGS + "/signed/{id}", self._public_key),
            ("GET", SETTINGS + "/{id}", self._settings),
            ("PATCH", SETTINGS + "/{id}", self._change_settings),
            ("DELETE", SETTINGS + "/{id}", self._delete_settings),
            ("POST", "/v3/user/webhooks/event/test", self._test),
        ]
        return [Route(path, self._guarded(action), methods=[method]) for method, path, action in table]

    def _guarded(self, action: Action) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not self._sandbox.admits_sendgrid(request.headers.get("authorization", "")):
                message = "The provided authorization grant is invalid, expired, or revoked"
                return respond(sendgrid_error(401, message))
            try:
                return respond(await action(request))
            except (ValueError, RecursionError):
                return respond(sendgrid_error(400, "Bad Request"))

        return guarded

    async def _scopes(self, request: Request) -> Reply:
        return json_reply(200, {"scopes": SCOPES})

    async def _new_batch(self, request: Request) -> Reply:
        batch = secrets.token_urlsafe(32)
        self._sandbox.mails.batches[batch] = ""
        return json_reply(201, {"batch_id": batch})

    async def _batch(self, request: Request) -> Reply:
        batch = request.path_params["batch"]
        return json_reply(200, {"batch_id": batch}) if batch in self._sandbox.mails.batches else NOT_FOUND

    async def _schedule(self, request: Request) -> Reply:
        body = await body_of(request)
        batch, status = body.get("batch_id"), body.get("status")
        if batch not in self._sandbox.mails.batches or status not in {"pause", "cancel"}:
            return sendgrid_error(400, "invalid batch id or status", "batch_id")
        self._sandbox.mails.batches[batch] = status
        return json_reply(201, {"batch_id": batch, "status": status})

    async def _unschedule(self, request: Request) -> Reply:
        batch = request.path_params["batch"]
        if not self._sandbox.mails.batches.get(batch):
            return NOT_FOUND
        self._sandbox.mails.batches[batch] = ""
        return Reply(204)

    def _listed(self, request: Request) -> dict[str, Suppressed]:
        return self._sandbox.suppressions.lists.get(request.path_params["name"], {})

    async def _list(self, request: Request) -> Reply:
        if request.path_params["name"] not in LISTS:
            return NOT_FOUND
        return json_reply(200, _window(request, request.path_params["name"], self._listed(request)))

    async def _unsubscribes(self, request: Request) -> Reply:
        return json_reply(200, _window(request, "unsubscribes", self._sandbox.suppressions.unsubscribes))

    async def _clear(self, request: Request) -> Reply:
        body, listed = await body_of(request), self._listed(request)
        if body.get("delete_all"):
            listed.clear()
        for email in body.get("emails") or ():
            listed.pop(str(email).lower(), None)
        return Reply(204)

    async def _one(self, request: Request) -> Reply:
        entry = self._listed(request).get(request.path_params["email"].lower())
        return json_reply(200, [entry.view(request.path_params["name"])] if entry else [])

    async def _remove(self, request: Request) -> Reply:
        gone = self._listed(request).pop(request.path_params["email"].lower(), None)
        return Reply(204) if gone else NOT_FOUND

    async def _add_global(self, request: Request) -> Reply:
        emails = _recipients(await body_of(request))
        for email in emails:
            self._sandbox.suppressions.unsubscribe(email)
        return json_reply(201, {"recipient_emails": emails})

    async def _get_global(self, request: Request) -> Reply:
        entry = self._sandbox.suppressions.unsubscribes.get(request.path_params["email"].lower())
        return json_reply(200, {"recipient_email": entry.email} if entry else {})

    async def _remove_global(self, request: Request) -> Reply:
        self._sandbox.suppressions.unsubscribes.pop(request.path_params["email"].lower(), None)
        return Reply(204)

    async def _groups(self, request: Request) -> Reply:
        groups = self._sandbox.suppressions.groups.values()
        more = {"last_email_sent_at": None}
        return json_reply(
            200, [group.view() | more | {"unsubscribes": len(group.emails)} for group in groups]
        )

    async def _new_group(self, request: Request) -> Reply:
        body = await body_of(request)
        if not body.get("name") or not body.get("description"):
            return sendgrid_error(400, "name and description are required", "name")
        group = self._sandbox.suppressions.new_group(str(body["name"]), str(body["description"]))
        return json_reply(201, group.view())

    async def _group_emails(self, request: Request) -> Reply:
        group = self._sandbox.suppressions.groups.get(request.path_params["group"])
        return json_reply(200, list(group.emails)) if group else NOT_FOUND

    async def _add_to_group(self, request: Request) -> Reply:
        group = self._sandbox.suppressions.groups.get(request.path_params["group"])
        if group is None:
            return NOT_FOUND
        emails = _recipients(await body_of(request))
        for email in emails:
            group.emails[email.lower()] = int(unix_now())
        return json_reply(201, {"recipient_emails": emails})

    async def _remove_from_group(self, request: Request) -> Reply:
        group = self._sandbox.suppressions.groups.get(request.path_params["group"])
        if group is None:
            return NOT_FOUND
        group.emails.pop(request.path_params["email"].lower(), None)
        return Reply(204)

    async def _all_in_groups(self, request: Request) -> Reply:
        return json_reply(
            200,
            [
                {"email": email, "group_id": group.id, "group_name": group.name, "created_at": at}
                for group in self._sandbox.suppressions.groups.values()
                for email, at in group.emails.items()
            ],
        )

    async def _groups_of(self, request: Request) -> Reply:
        email = request.path_params["email"].lower()
        groups = self._sandbox.suppressions.groups.values()
        return json_reply(
            200, {"suppressions": [group.view() | {"suppressed": email in group.emails} for group in groups]}
        )

    def _shown_settings(self) -> dict[str, Any]:
        settings = self._sandbox.events.settings
        return {
            "id": settings.id,
            "enabled": settings.enabled,
            "friendly_name": settings.friendly_name,
            "url": self._sandbox.config.event_webhook_url,
        } | {flag: settings.wanted.get(flag, True) for flag in FLAGS.values()}

    def _with_key(self) -> dict[str, Any]:
        key = self._sandbox.signer.public_key if self._sandbox.events.settings.is_signed else ""
        return self._shown_settings() | {"public_key": key}

    async def _settings(self, request: Request) -> Reply:
        return json_reply(200, self._with_key())

    async def _all_settings(self, request: Request) -> Reply:
        return json_reply(200, {"max_allowed": 1, "webhooks": [self._with_key()]})

    async def _change_settings(self, request: Request) -> Reply:
        body = await body_of(request)
        if not body.get("url"):
            return sendgrid_error(400, "url is required", "url")
        self._sandbox.reconfigure({"event_webhook_url": str(body["url"])})
        settings = self._sandbox.events.settings
        settings.wanted |= {flag: bool(body[flag]) for flag in FLAGS.values() if flag in body}
        settings.enabled = bool(body.get("enabled", settings.enabled))
        settings.friendly_name = str(body.get("friendly_name", settings.friendly_name))
        return json_reply(201 if request.method == "POST" else 200, self._shown_settings())

    async def _delete_settings(self, request: Request) -> Reply:
        self._sandbox.reconfigure({"event_webhook_url": ""})
        return Reply(204)

    async def _public_key(self, request: Request) -> Reply:
        settings = self._sandbox.events.settings
        if request.method == "PATCH":
            body = await body_of(request)
            if not isinstance(body.get("enabled"), bool):
                return sendgrid_error(400, "enabled is required", "enabled")
            settings.is_signed = body["enabled"]
        return json_reply(200, {"id": settings.id, "public_key": self._with_key()["public_key"]})

    async def _test(self, request: Request) -> Reply:
        url = (await body_of(request)).get("url") or self._sandbox.config.event_webhook_url
        if not url:
            return sendgrid_error(400, "url is required", "url")
        self._sandbox.events.post_test(str(url))
        return Reply(204)


def _recipients(body: dict[str, Any]) -> list[str]:
    """Return whom a request names.

    Raises:
        ValueError: it names nobody.
    """
    emails = body.get("recipient_emails")
    if not isinstance(emails, list) or not emails:
        raise ValueError("recipient_emails is required")
    return [str(email) for email in emails]


def _window(request: Request, name: str, listed: Mapping[str, Suppressed]) -> list[dict[str, Any]]:
    query = request.query_params
    start, end = int(query.get("start_time") or 0), int(query.get("end_time") or 2**40)
    offset, limit = int(query.get("offset") or 0), int(query.get("limit") or 500)
    chosen = [entry.view(name) for entry in listed.values() if start <= entry.created <= end]
    return chosen[offset : offset + limit]
