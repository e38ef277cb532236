"""SendGrid's events at their edges: those without our custom arguments, and how far a no reaches."""

import pytest

from engage.domain.delivery.delivery import Channel, Mark
from tests.channels.test_sendgrid_webhooks import event, read


@pytest.mark.parametrize(
    ("message_id", "mine"),
    [
        ("14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", "14c5d75ce93.dfd.64b469"),
        ("5B2fpuK7QbiDJWxVQ3OkgQ.recvd-84f6bc4d9c-x2z.0", "5B2fpuK7QbiDJWxVQ3OkgQ"),
        ("filter0093p1las1.9128.5717FB8127.0", "filter0093p1las1"),
        ("bare", "bare"),
    ],
)
def test_an_event_without_our_arguments_names_every_id_that_may_be_ours(message_id: str, mine: str) -> None:
    heard = read(bare("bounce", sg_message_id=message_id, type="bounce", status="5.1.1"))

    (adrift,) = heard.adrift
    assert mine in adrift.provider_ids
    assert (adrift.channel, adrift.address) == (Channel.EMAIL, event("open")["email"])
    assert [(one.mark, one.hard) for one in adrift.receipts] == [(Mark.BOUNCED, True)]
    assert (heard.receipts, heard.quarantined) == ([], [])


def test_two_such_events_about_two_mails_at_once_are_two() -> None:
    first, second = (
        read(bare("delivered", sg_message_id=name)).adrift[0].receipts[0].receipt_id
        for name in ("a.x", "b.x")
    )
    assert first != second


@pytest.mark.parametrize("missing", ["sg_message_id", "email"])
def test_one_that_names_no_mail_at_all_is_put_aside(missing: str) -> None:
    heard = read({name: value for name, value in bare("open").items() if name != missing})

    assert [reason for reason, _ in heard.quarantined] == ["no_reference"]
    assert heard.adrift == []


def bare(name: str, **fields: object) -> dict[str, object]:
    """An event of a mail whose custom arguments got lost."""
    whole = event(name, **fields)
    return {key: value for key, value in whole.items() if not key.startswith("engage_")}


@pytest.mark.parametrize(
    ("name", "fields", "everything"),
    [
        ("unsubscribe", {}, True),
        ("group_unsubscribe", {"asm_group_id": 12}, False),
        ("group_resubscribe", {"asm_group_id": 12}, False),
        ("dropped", {"reason": "Unsubscribed Address"}, True),
        ("dropped", {"reason": "Unsubscribed Address", "asm_group_id": 12}, False),
        ("dropped", {"reason": "Spam Reporting Address"}, True),
    ],
)
def test_a_no_at_sendgrid_is_about_everything_unless_it_names_a_group(
    name: str, fields: dict[str, object], everything: bool
) -> None:
    said = [one for _, one in read(event(name, **fields)).receipts]

    assert said[-1].mark in {Mark.UNSUBSCRIBED, Mark.RESUBSCRIBED}
    assert said[-1].whole_channel is everything
    assert [one.whole_channel for one in said[:-1]] == [False] * (len(said) - 1)
