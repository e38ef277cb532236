"""Delivery events: which reserved event (vocabulary.md) a fact about a delivery is, and what it carries."""

from typing import Any

from engage.domain.delivery.delivery import CALLS, Channel, Delivery, Mark

CHANNEL_WORDS = {
    Channel.SMS: "SMS",
    Channel.MMS: "SMS",
    Channel.WHATSAPP: "WhatsApp",
    Channel.CHAT: "Chat",
    Channel.EMAIL: "Email",
    Channel.VOICE: "Call",
}
_MESSAGE_EVENTS = {
    Mark.ACCEPTED: "Sent",
    Mark.DELIVERED: "Delivered",
    Mark.FAILED: "Failed",
    Mark.UNDELIVERED: "Failed",
    Mark.OPENED: "Read",
}
_EMAIL_EVENTS = {
    Mark.ACCEPTED: "Email Sent",
    Mark.DELIVERED: "Email Delivered",
    Mark.DEFERRED: "Email Deferred",
    Mark.BOUNCED: "Email Bounced",
    Mark.DROPPED: "Email Dropped",
    Mark.OPENED: "Email Opened",
    Mark.OPENED_ANY: "Email Opened",
    Mark.CLICKED: "Email Link Clicked",
    Mark.COMPLAINED: "Email Marked as Spam",
    Mark.UNSUBSCRIBED: "Email Unsubscribed",
}
_CALL_EVENTS = {
    Mark.ACCEPTED: "Call Started",
    Mark.ANSWERED: "Call Answered",
    Mark.COMPLETED: "Call Completed",
    Mark.FAILED: "Call Failed",
    Mark.BUSY: "Call Failed",
    Mark.NO_ANSWER: "Call Failed",
    Mark.CANCELED: "Call Failed",
    Mark.DIGITS: "Voice Digits",
    Mark.VOICEMAIL: "Voicemail Left",
}


def event_of(channel: Channel, mark: Mark) -> str | None:
    """Return the reserved event (vocabulary.md) that a fact about a delivery is, or None."""
    if channel is Channel.EMAIL:
        return _EMAIL_EVENTS.get(mark)
    if channel is Channel.VOICE:
        return _CALL_EVENTS.get(mark)
    if channel in CALLS:
        return "Handoff Completed" if (channel, mark) == (Channel.HANDOFF, Mark.COMPLETED) else None
    if mark is Mark.CLICKED:
        return "Link Clicked"
    word = _MESSAGE_EVENTS.get(mark)
    if word is None or (word == "Read" and channel in (Channel.SMS, Channel.MMS)):
        return None
    return f"{CHANNEL_WORDS[channel]} {word}"


def delivery_properties(delivery: Delivery) -> dict[str, Any]:
    """Return what every delivery event carries (vocabulary.md)."""
    return {
        "delivery_id": delivery.id,
        "channel": str(delivery.channel),
        "topic": delivery.topic,
        "journey": delivery.journey,
        "version": delivery.version,
        "run": delivery.run,
        "step": delivery.step,
        "template": delivery.template,
        "provider": delivery.provider,
    }
