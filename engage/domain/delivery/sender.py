"""Sender: who we send as on a channel, and under which name its rate is kept."""

from engage.domain.delivery.delivery import Channel
from engage.domain.project_settings import ProjectSettings, SenderForm


def sender_form(settings: ProjectSettings, channel: Channel) -> SenderForm | None:
    """Return what the settings say of a channel's sender; pictures come from that of texts unless they have one of their own."""
    return settings.senders.get(channel) or (
        settings.senders.get(Channel.SMS) if channel is Channel.MMS else None
    )


def sender_of(settings: ProjectSettings, channel: Channel) -> str | None:
    """Return who we send as on a channel; None: whom the provider's own settings name."""
    form = sender_form(settings, channel)
    return None if form is None else form.messaging_service or form.number or form.address


def metered_as(settings: ProjectSettings, channel: Channel, sender: str | None) -> str:
    """Return the name under which a sender's rate is kept; one that nobody names is its channel's."""
    return sender or sender_of(settings, channel) or str(Channel.SMS if channel is Channel.MMS else channel)
