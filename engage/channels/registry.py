"""The table of providers: one row per channel and per webhook. Nothing else outside a provider's files names it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from twilio.rest import Client

from engage.channels.connections import ConnectionPool
from engage.channels.sendgrid_email import SendGridEmail
from engage.channels.sendgrid_events import EventsWebhook, SendGridSignature
from engage.channels.sendgrid_inbound import MailWebhook
from engage.channels.sendgrid_lists import SendGridLists
from engage.channels.sendgrid_transport import sendgrid_client
from engage.channels.smtp_email import SmtpEmail
from engage.channels.twilio_call_documents import CallDocuments
from engage.channels.twilio_callbacks import TwilioSignature
from engage.channels.twilio_chat import ConversationWebhook, TwilioChat
from engage.channels.twilio_handoff import TaskWebhook, TwilioHandoff, read_workflows
from engage.channels.twilio_sms import InboundWebhook, StatusWebhook, TwilioSms
from engage.channels.twilio_transport import KeptHttpClient, twilio_client
from engage.channels.twilio_verify import OrCode, TwilioCodes
from engage.channels.twilio_video import RoomWebhook, TwilioRooms
from engage.channels.twilio_voice import (
    AnswerWebhook,
    CallStatusWebhook,
    DigitsWebhook,
    MachineWebhook,
    RecordingWebhook,
    TwilioVoice,
)
from engage.channels.webhook_calls import WebhookCalls
from engage.domain.delivery.delivery import Channel
from engage.ports.channel import CodeChecker, Rooms, Sender, Webhook
from engage.ports.listing import ProviderLists


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelSettings:
    """What the channels must know. A provider without its credentials sends nothing and verifies nothing."""

    public_url: str
    """Where providers reach us, without a slash at the end."""
    account_sid: str | None = None
    auth_tokens: tuple[str, ...] = field(default=(), repr=False)
    """The first one signs in (unless there is an API key); webhooks may be signed with any: rotation."""
    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)
    messaging_service_sid: str | None = None
    from_number: str | None = None
    workspace_sid: str | None = None
    """Where agents get their tasks."""
    workflows: tuple[str, ...] = ()
    """`sales=WW…` for each name that a `handoff` may use."""
    verify_service_sid: str | None = None
    """Who makes the codes of steps that are sent as `verify`."""
    video_url: str | None = None
    """The page on which people meet by video."""
    twilio_base_url: str | None = None
    """Another host for every Twilio product, e.g. the sandbox."""
    sendgrid_api_key: str | None = field(default=None, repr=False)
    sendgrid_from: str | None = None
    """`hello@shop.example` or `Shop <hello@shop.example>`."""
    sendgrid_public_keys: tuple[str, ...] = ()
    sendgrid_base_url: str | None = None
    sendgrid_sandbox_mode: bool = False
    smtp_url: str | None = field(default=None, repr=False)
    """`smtp(s)://user:password@host[:port]`"""
    smtp_from: str | None = None
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    """The first one signs the calls of `webhook` steps."""
    user_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What `secret('NAME')` gives in those calls."""
    connect_timeout: timedelta = timedelta(seconds=5)
    read_timeout: timedelta = timedelta(seconds=15)
    """For the whole of a request and its answer."""


def build_senders(settings: ChannelSettings) -> dict[Channel, Sender]:
    """Return who sends what; a channel whose provider is not set up is missing. Of two for one channel the later row wins."""
    pool = _pool(settings)
    senders: dict[Channel, Sender] = {
        Channel.WEBHOOK: WebhookCalls(settings.signing_keys, settings.user_secrets)
    }
    for build in PROVIDERS.values():
        senders.update(build(settings, pool))
    return senders


def _pool(settings: ChannelSettings) -> ConnectionPool:
    return ConnectionPool(
        connect_timeout=settings.connect_timeout.total_seconds(),
        read_timeout=settings.read_timeout.total_seconds(),
    )


def _twilio_senders(settings: ChannelSettings, pool: ConnectionPool) -> dict[Channel, Sender]:
    if not settings.account_sid or not settings.auth_tokens:
        return {}
    http, client = _twilio(settings, pool, settings.account_sid)
    texts = TwilioSms(
        client, http, settings.public_url, settings.messaging_service_sid or settings.from_number
    )
    documents = CallDocuments(settings.auth_tokens, settings.public_url)
    calls = TwilioVoice(client, http, settings.public_url, documents, settings.from_number)
    codes = TwilioCodes(client, http, settings.verify_service_sid)
    handoffs = TwilioHandoff(
        client, http, settings.workspace_sid, read_workflows(settings.workflows), settings.from_number
    )
    chats = TwilioChat(client, http, settings.from_number)
    return {
        Channel.HANDOFF: handoffs,
        Channel.CHAT: chats,
        Channel.SMS: OrCode(texts, codes),
        Channel.MMS: texts,
        Channel.WHATSAPP: OrCode(texts, codes),
        Channel.VOICE: OrCode(calls, codes),
    }


def _twilio(
    settings: ChannelSettings, pool: ConnectionPool, account_sid: str
) -> tuple[KeptHttpClient, Client]:
    http = KeptHttpClient(pool, settings.twilio_base_url)
    client = twilio_client(
        http=http,
        account_sid=account_sid,
        auth_token=settings.auth_tokens[0],
        api_key=settings.api_key,
        api_secret=settings.api_secret,
    )
    return http, client


def build_codes(settings: ChannelSettings) -> CodeChecker | None:
    """Return who knows whether a code is right; None where nobody makes codes."""
    if not settings.account_sid or not settings.auth_tokens:
        return None
    http, client = _twilio(settings, _pool(settings), settings.account_sid)
    return TwilioCodes(client, http, settings.verify_service_sid)


def build_rooms(settings: ChannelSettings) -> Rooms | None:
    """Return who opens rooms; None where none is set up. Tokens are signed with the API key's secret."""
    account, key, secret = settings.account_sid, settings.api_key, settings.api_secret
    if not account or not settings.auth_tokens or not key or not secret or not settings.video_url:
        return None
    _, client = _twilio(settings, _pool(settings), account)
    return TwilioRooms(
        client,
        account=account,
        key=key,
        secret=secret,
        page=settings.video_url,
        public_url=settings.public_url,
    )


def _sendgrid_senders(settings: ChannelSettings, pool: ConnectionPool) -> dict[Channel, Sender]:
    if not settings.sendgrid_api_key:
        return {}
    sdk = sendgrid_client(pool, settings.sendgrid_api_key, settings.sendgrid_base_url)
    return {
        Channel.EMAIL: SendGridEmail(sdk, settings.sendgrid_from, sandbox_mode=settings.sendgrid_sandbox_mode)
    }


def _smtp_senders(settings: ChannelSettings, pool: ConnectionPool) -> dict[Channel, Sender]:
    if not settings.smtp_url:
        return {}
    return {
        Channel.EMAIL: SmtpEmail(settings.smtp_url, settings.smtp_from, settings.read_timeout.total_seconds())
    }


PROVIDERS: Mapping[str, Callable[[ChannelSettings, ConnectionPool], dict[Channel, Sender]]] = {
    "twilio": _twilio_senders,
    "sendgrid": _sendgrid_senders,
    "smtp": _smtp_senders,
}
"""Who may send, by `Sender.provider`; docs/how-to/add-a-provider.md."""


def build_lists(settings: ChannelSettings) -> list[ProviderLists]:
    """Return the lists of refused addresses that providers keep by themselves."""
    if not settings.sendgrid_api_key:
        return []
    sdk = sendgrid_client(_pool(settings), settings.sendgrid_api_key, settings.sendgrid_base_url)
    return [SendGridLists(sdk)]


def build_webhooks(settings: ChannelSettings) -> list[Webhook]:
    """Return every webhook we can verify."""
    webhooks: list[object] = []
    if settings.account_sid and settings.auth_tokens:
        signature, account = TwilioSignature(settings.auth_tokens), settings.account_sid
        documents = CallDocuments(settings.auth_tokens, settings.public_url)
        webhooks += [
            kind(signature, account)
            for kind in (
                *(StatusWebhook, InboundWebhook, CallStatusWebhook, MachineWebhook, RecordingWebhook),
                TaskWebhook,
                ConversationWebhook,
                RoomWebhook,
            )
        ]
        webhooks += [kind(signature, account, documents) for kind in (AnswerWebhook, DigitsWebhook)]
    if settings.sendgrid_public_keys:
        events = SendGridSignature(settings.sendgrid_public_keys)
        webhooks += [EventsWebhook(events), MailWebhook(events)]
    return cast("list[Webhook]", webhooks)
