"""Twilio's other products, as far as an orchestrator touches them: kept as records, answered in the vendor's shape."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.requests import Request

from engage.sandbox.errors import Reply, json_reply, twilio_error
from engage.sandbox.fates import is_number, line_type
from engage.sandbox.twilio.agents import OVER
from engage.sandbox.twilio.record_routes import RecordRoutes, Row
from engage.sandbox.twilio.records import Record, new_sid
from engage.sandbox.twilio.shapes import LOOKUP, page_meta
from engage.sandbox.wire import one, parse_form

# The only filter we understand: one attribute equals one text.
_EQUALS = re.compile(r"""\s*(\w+)\s*={1,2}\s*["']([^"']*)["']\s*""")


class ProductRoutes(RecordRoutes):
    """TaskRouter tasks, Flex interactions, Lookup and Content."""

    def table(self) -> list[Row]:
        return [
            ("POST", "/v1/Workspaces/{workspace}/Tasks", self._new_task),
            ("GET", "/v1/Workspaces/{workspace}/Tasks", self._tasks),
            ("GET", "/v1/Workspaces/{workspace}/Tasks/{sid}", self._task),
            ("POST", "/v1/Workspaces/{workspace}/Tasks/{sid}", self._change_task),
            ("POST", "/v1/Interactions", self._new_interaction),
            ("GET", "/v2/PhoneNumbers/{number}", self._lookup),
            ("POST", "/v1/Content", self._new_content),
            ("GET", "/v1/Content/{sid}", self._content),
            ("POST", "/v1/Content/{sid}/ApprovalRequests/whatsapp", self._approve_content),
        ]

    async def _new_task(self, request: Request) -> Reply:
        form = parse_form(await request.body())
        msgspec.json.decode(one(form, "Attributes") or "{}", type=dict[str, Any])
        task = self._task_record(
            request.path_params["workspace"],
            one(form, "WorkflowSid") or None,
            one(form, "Attributes") or "{}",
            one(form, "TaskChannel") or "default",
            priority=int(one(form, "Priority") or 0),
            timeout=int(one(form, "Timeout") or 86400),
        )
        return json_reply(201, task)

    def _task_record(
        self,
        workspace: str,
        workflow: str | None,
        attributes: str,
        channel: str,
        *,
        priority: int = 0,
        timeout: int = 86400,
    ) -> Record:
        task = self._record(
            "tasks",
            "WT",
            {
                "attributes": attributes,
                "workflow_sid": workflow,
                "workspace_sid": workspace,
                "task_channel_unique_name": channel,
                "assignment_status": "pending",
                "priority": priority,
                "timeout": timeout,
                "age": 0,
                "reason": None,
            },
        )
        self._sandbox.agents.report(task, "task.created")
        return task

    async def _tasks(self, request: Request) -> Reply:
        tasks = [t for t in self._kept.all("tasks") if t["workspace_sid"] == request.path_params["workspace"]]
        wanted = _EQUALS.fullmatch(request.query_params.get("EvaluateTaskAttributes", ""))
        if wanted:
            name, value = wanted.groups()
            tasks = [t for t in tasks if str(msgspec.json.decode(t["attributes"]).get(name)) == value]
        return json_reply(200, {"tasks": tasks[::-1], "meta": page_meta("tasks", str(request.url))})

    async def _task(self, request: Request) -> Reply:
        return self._found("tasks", request.path_params["sid"])

    async def _change_task(self, request: Request) -> Reply:
        task = self._kept.get("tasks", request.path_params["sid"])
        if task is None:
            return twilio_error(20404)
        form = parse_form(await request.body())
        status = one(form, "AssignmentStatus")
        if status and task["assignment_status"] in OVER:
            return twilio_error(20001, detail="the task is over")
        if one(form, "Attributes"):
            task["attributes"] = one(form, "Attributes")
        if status in OVER:
            self._sandbox.agents.move(task, f"task.{status}", one(form, "Reason") or None)
        elif status:
            task["assignment_status"] = status
        return json_reply(200, task)

    async def _new_interaction(self, request: Request) -> Reply:
        form = parse_form(await request.body())
        channel = msgspec.json.decode(one(form, "Channel"), type=dict[str, Any])
        routing = msgspec.json.decode(one(form, "Routing") or "{}", type=dict[str, Any])
        properties = routing.get("properties") or {}
        task = self._task_record(
            str(properties.get("workspace_sid", "")),
            properties.get("workflow_sid"),
            msgspec.json.encode(properties.get("attributes") or {}).decode(),
            str(properties.get("task_channel_unique_name") or "chat"),
        )
        properties["sid"] = task["sid"]
        return self._new(
            "interactions",
            "KD",
            {"channel": channel | {"sid": new_sid("UO")}, "routing": routing | {"properties": properties}},
            status=200,
        )

    async def _lookup(self, request: Request) -> Reply:
        number = request.path_params["number"]
        if self._sandbox.config.lookup_fails:
            return twilio_error(20503)
        self._kept.kinds.setdefault("lookups", {})[f"{len(self._kept.all('lookups'))}"] = {"sid": number}
        is_valid = is_number(number)
        found: Record = LOOKUP | {
            "calling_country_code": number[1:2] if number.startswith(("+1", "+7")) else number[1:3],
            "phone_number": number,
            "national_format": number,
            "country_code": "US" if number.startswith("+1") else None,
            "valid": is_valid,
            "validation_errors": [] if is_valid else ["INVALID_BUT_POSSIBLE"],
            "line_type_intelligence": None,
            "url": f"https://lookups.twilio.com/v2/PhoneNumbers/{number}",
        }
        if "line_type_intelligence" in request.query_params.get("Fields", "") and is_valid:
            found["line_type_intelligence"] = {
                "type": line_type(number),
                "carrier_name": "Sandbox",
                "mobile_country_code": "310",
                "mobile_network_code": "000",
                "error_code": None,
            }
        return json_reply(200, found)

    async def _new_content(self, request: Request) -> Reply:
        body = msgspec.json.decode(await request.body(), type=dict[str, Any])
        if not body.get("types") or not body.get("language"):
            return twilio_error(20001)
        known = ("friendly_name", "language", "variables", "types")
        return self._new("content", "HX", {name: body.get(name) for name in known})

    async def _content(self, request: Request) -> Reply:
        return self._found("content", request.path_params["sid"])

    async def _approve_content(self, request: Request) -> Reply:
        content = self._kept.get("content", request.path_params["sid"])
        if content is None:
            return twilio_error(20404)
        body = msgspec.json.decode(await request.body() or b"{}", type=dict[str, Any])
        if not body.get("name") or not body.get("category"):
            return twilio_error(20001, detail="name and category are required")
        content["approval"] = {
            "name": body.get("name"),
            "category": body.get("category"),
            "status": "approved",
        }
        fixed = {"content_type": "twilio/text", "rejection_reason": "", "allow_category_change": True}
        return json_reply(201, content["approval"] | fixed)
