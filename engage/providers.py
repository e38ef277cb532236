"""Providers: what the settings set up of them. Imports their SDKs, half a second of work that a command which calls nobody is spared."""

from collections.abc import Mapping

from engage.channels.registry import (
    ChannelSettings,
    build_codes,
    build_lists,
    build_rooms,
    build_senders,
    build_webhooks,
)
from engage.domain.delivery.delivery import Channel
from engage.ports.channel import CodeChecker, Rooms, Sender, Webhook
from engage.ports.listing import ProviderLists
from engage.settings import Settings


def senders_of(settings: Settings) -> Mapping[Channel, Sender]:
    """Return who sends what."""
    return build_senders(channel_settings(settings))


def webhooks_of(settings: Settings) -> list[Webhook]:
    """Return every webhook that can be verified."""
    return build_webhooks(channel_settings(settings))


def codes_of(settings: Settings) -> CodeChecker | None:
    """Return who knows whether a code is right."""
    return build_codes(channel_settings(settings))


def rooms_of(settings: Settings) -> Rooms | None:
    """Return who opens rooms to meet in."""
    return build_rooms(channel_settings(settings))


def lists_of(settings: Settings) -> list[ProviderLists]:
    """Return providers' own lists of refused addresses."""
    return build_lists(channel_settings(settings))


def channel_settings(settings: Settings) -> ChannelSettings:
    """Return what the channels must know of the settings."""
    return ChannelSettings(
        public_url=settings.base_url,
        account_sid=settings.twilio_account_sid,
        auth_tokens=settings.twilio_auth_token,
        api_key=settings.twilio_api_key,
        api_secret=settings.twilio_api_secret,
        messaging_service_sid=settings.twilio_messaging_service_sid,
        from_number=settings.twilio_from,
        workspace_sid=settings.twilio_workspace_sid,
        workflows=settings.twilio_workflows,
        verify_service_sid=settings.twilio_verify_service_sid,
        video_url=settings.twilio_video_url,
        twilio_base_url=settings.twilio_api_base_url,
        sendgrid_api_key=settings.sendgrid_api_key,
        sendgrid_from=settings.sendgrid_from,
        sendgrid_public_keys=settings.sendgrid_webhook_public_key,
        sendgrid_base_url=settings.sendgrid_api_base_url,
        smtp_url=settings.smtp_url,
        smtp_from=settings.smtp_from,
        signing_keys=settings.secret_key,
        user_secrets=settings.user_secrets,
    )
