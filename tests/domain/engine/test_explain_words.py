"""What `why` says reads like somebody in support would say it: the rule, the zone, the instant."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.ids import DeliveryId, ProfileId
from engage.engine.explain.words import Words
from engage.ports.reading import DeliverySeen

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def said(kind: Decided, outcome: str, seen: Delivery | None = None, **fields: Any) -> str:
    decision = Decision(profile=ProfileId("ada"), at=AT, kind=kind, outcome=outcome, **fields)
    return Words(
        decision, None, None, None if seen is None else DeliverySeen(delivery=seen, receipts=()), None
    ).text


def sms(**fields: Any) -> Delivery:
    return Delivery(
        id=DeliveryId("d"),
        profile=ProfileId("ada"),
        lane=0,
        channel=Channel.SMS,
        template="cart/nudge",
        topic="promotions",
        asked_at=AT,
        due_at=None,
        **fields,
    )


@pytest.mark.parametrize(
    ("outcome", "values", "reason", "words"),
    [
        (
            "subscribed",
            {"channel": "sms", "topic": "promotions"},
            "checkout",
            "said yes to promotions by sms (checkout)",
        ),
        (
            "unsubscribed",
            {"channel": "sms", "topic": "*"},
            "keyword:stop",
            "said no to everything by sms (keyword:stop)",
        ),
        ("pending", {"channel": "email", "topic": "news"}, None, "is asked to confirm news by email"),
    ],
)
def test_consent_is_told_as_what_a_person_said(
    outcome: str, values: dict[str, str], reason: str | None, words: str
) -> None:
    assert said(Decided.CONSENT, outcome, values=values, reason=reason) == words


def test_a_message_that_was_held_says_since_when_and_by_which_rule() -> None:
    rule = "quiet_hours 21:00-08:00 Europe/Paris"

    assert said(Decided.SEND, Mark.ACCEPTED, sms(provider="twilio"), rule=rule) == (
        "sms cart/nudge, topic promotions: sent, taken by twilio "
        "(asked for at 2026-03-02T15:00:00+00:00 and held: quiet_hours 21:00-08:00 Europe/Paris)"
    )


def test_a_refusal_says_its_reason_its_rule_and_what_that_means() -> None:
    assert said(Decided.SEND, Mark.SKIPPED, sms(), reason="capped", rule="cap 3 per 7 days") == (
        "sms cart/nudge, topic promotions: not sent, capped (cap 3 per 7 days) — enough was sent lately"
    )


def test_an_end_says_what_its_word_means() -> None:
    assert said(Decided.EXIT, "ended", reason="goal") == "ended: goal (the goal was reached)"
    assert said(Decided.EXIT, "ended", reason="bought") == "ended: bought"
