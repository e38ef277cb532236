"""The vendor's shapes of side products: every field that their documents name, with what it holds unless somebody said otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Record = dict[str, Any]
KEPT_ASIDE = frozenset({"approval", "checks", "made_at", "sequence"})
"""What we note on a record and never show."""

TASK: Record = {
    "addons": None,
    "ignore_capacity": False,
    "routing_target": None,
    "task_channel_sid": "TC" + "0" * 32,
    "task_queue_entered_date": None,
    "task_queue_friendly_name": "Sandbox",
    "task_queue_sid": "WQ" + "0" * 32,
    "virtual_start_time": None,
    "workflow_friendly_name": "Sandbox",
}
INTERACTION: Record = {"interaction_context_sid": None, "webhook_ttid": None}
CONVERSATION: Record = {"bindings": None, "chat_service_sid": "IS" + "0" * 32, "timers": {}}
PARTICIPANT: Record = {"last_read_message_index": None, "last_read_timestamp": None, "role_sid": None}
CONVERSATION_MESSAGE: Record = {"delivery": None, "media": None, "participant_sid": None}
ROOM: Record = {
    "audio_only": False,
    "empty_room_timeout": 5,
    "enable_turn": True,
    "large_room": False,
    "max_concurrent_published_tracks": 170,
    "max_participant_duration": 14400,
    "media_region": "us1",
    "record_participants_on_connect": False,
    "unused_room_timeout": 5,
    "video_codecs": ["VP8", "H264"],
}
VERIFICATION: Record = {"amount": None, "payee": None, "sna": None}
CHECK: Record = {"sna_attempts_error_codes": []}
CHECK_LACKS = frozenset({"lookup", "send_code_attempts", "sna", "url"})
SERVICE: Record = {
    "area_code_geomatch": True,
    "date_created": "2026-01-01T00:00:00Z",
    "date_updated": "2026-01-01T00:00:00Z",
    "fallback_method": "POST",
    "fallback_to_long_code": True,
    "fallback_url": None,
    "inbound_method": "POST",
    "mms_converter": True,
    "scan_message_content": "inherit",
    "synchronous_validation": False,
    "us_app_to_person_registered": False,
    "use_inbound_webhook_on_number": False,
    "usecase": "undeclared",
}
NUMBER: Record = {
    "address_requirements": "none",
    "address_sid": None,
    "api_version": "2010-04-01",
    "beta": False,
    "bundle_sid": None,
    "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
    "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
    "emergency_address_sid": None,
    "emergency_address_status": "unregistered",
    "emergency_status": "Inactive",
    "identity_sid": None,
    "origin": "twilio",
    "sms_application_sid": None,
    "sms_fallback_method": "POST",
    "sms_fallback_url": "",
    "status": "in-use",
    "status_callback_method": "POST",
    "trunk_sid": None,
    "type": "local",
    "voice_application_sid": None,
    "voice_caller_id_lookup": False,
    "voice_fallback_method": "POST",
    "voice_fallback_url": "",
    "voice_method": "POST",
    "voice_receive_mode": "voice",
}
LOOKUP: Record = dict.fromkeys(
    [
        "call_forwarding",
        "caller_name",
        "identity_match",
        "line_status",
        "phone_number_quality_score",
        "pre_fill",
        "reassigned_number",
        "sim_swap",
        "sms_pumping_risk",
    ]
)

Address = Callable[[Record], str]
ADDRESSES: Mapping[str, tuple[Record, Address]] = {
    "tasks": (
        TASK,
        lambda r: f"https://taskrouter.twilio.com/v1/Workspaces/{r['workspace_sid']}/Tasks/{r['sid']}",
    ),
    "interactions": (INTERACTION, lambda r: f"https://flex-api.twilio.com/v1/Interactions/{r['sid']}"),
    "conversations": (
        CONVERSATION,
        lambda r: f"https://conversations.twilio.com/v1/Conversations/{r['sid']}",
    ),
    "participants": (
        PARTICIPANT,
        lambda r: (
            f"https://conversations.twilio.com/v1/Conversations/{r['conversation_sid']}/Participants/{r['sid']}"
        ),
    ),
    "conversation_messages": (
        CONVERSATION_MESSAGE,
        lambda r: (
            f"https://conversations.twilio.com/v1/Conversations/{r['conversation_sid']}/Messages/{r['sid']}"
        ),
    ),
    "conversation_receipts": (
        {},
        lambda r: (
            f"https://conversations.twilio.com/v1/Conversations/{r['conversation_sid']}/Messages/{r['message_sid']}/Receipts/{r['sid']}"
        ),
    ),
    "rooms": (ROOM, lambda r: f"https://video.twilio.com/v1/Rooms/{r['sid']}"),
    "verifications": (
        VERIFICATION,
        lambda r: f"https://verify.twilio.com/v2/Services/{r['service_sid']}/Verifications/{r['sid']}",
    ),
    "content": ({}, lambda r: f"https://content.twilio.com/v1/Content/{r['sid']}"),
}
"""What a record of each kind holds beside what was said, and where the vendor says it lies."""
WITHOUT_LINKS = frozenset({"conversation_receipts", "participants", "verifications"})
LACKS: Mapping[str, frozenset[str]] = {
    "interactions": frozenset({"account_sid", "date_created", "date_updated"}),
    "conversation_messages": frozenset({"content_variables"}),
}
"""What we note and the vendor does not show, of one kind."""


def completed(kind: str, record: Record) -> Record:
    """Return a record with every field of its kind."""
    fields, address = ADDRESSES.get(kind, ({}, None))
    whole = {**fields, **record}
    if address is not None:
        whole["url"] = address(record)
        if kind not in WITHOUT_LINKS:
            whole["links"] = {}
    return whole


def shown(kind: str, record: Record) -> Record:
    """Return a record as the vendor shows it."""
    hidden = KEPT_ASIDE | LACKS.get(kind, frozenset())
    return {name: value for name, value in record.items() if name not in hidden}


def page_meta(key: str, url: str) -> Record:
    """Return what stands below a list of the newer products, all on one page."""
    return {
        "key": key,
        "page": 0,
        "page_size": 50,
        "first_page_url": url,
        "previous_page_url": None,
        "url": url,
        "next_page_url": None,
    }
