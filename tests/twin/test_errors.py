"""Every code of the vendor's table, at once and by callback, through the real SDK: what becomes of the delivery.

The rows are the provider notes', written down once more: the code's own table is what is tested.
"""

from typing import Any

import pytest
from structlog.testing import capture_logs

from engage.channels.twilio_errors import ERRORS, failure
from engage.domain.delivery.delivery import Channel, Delivery, FailReason, Mark
from engage.domain.ids import DeliveryId
from engage.ports.channel import Answer, Busy, Outbound, Rejected, SmsContent, Unknown, VoiceContent
from tests.sandbox.twin import Twin
from tests.twin.shop import Shop, steps

OPTED_OUT = {21610}
PERMANENT = {21211, 21614, 21265, 21635, 30005, 30006, 63003, 63024, 21217, 21214, 21216}
BLOCKED = {30004, 63033, 63032}
SOFT = {30003, 30008, 30036, 30410}
PAIR = {21612, 30011, 30024}
RATE = {20429, 21611, 30001, 14107, 30022, 30017, 63017, 63018, 30023, 30027, 63038, 22005}
RATE |= {60202, 60203, 60212}
TROUBLE = {20500, 20503, 30020, 30021, 63009, 63010, 63012}
CONTENT = {
    30007,
    30019,
    11751,
    63034,
    21617,
    21620,
    21623,
    63019,
    63005,
    63013,
    63021,
    30450,
    30610,
    30640,
    21624,
    *(21205, 21619),
    *(11100, 11200, 12100, 12300, 13224, 13227),
}
VOICE = {21201, 21205, 21210, 21212, 21213, 21214, 21215, 21216, 21217, 21219, 21220, 22005}
"""What creating a call may be refused with."""
TEMPLATE = {63016, 63027, 63028, 63040, 63041, 63042, 21654, 21655, 21656}
CONFIG = {
    *(20003, 20005, 30002, 20404, 21212, 21606, 21603, 21604, 21602, 21659, 21660, 21661, 21608, 21609),
    *(21621, 21622, 21701, 21702, 21703, 21704, 21705, 63001, 63007, 63008, 63020, 63051, 21408),
    *(30032, 30033, 30034, 30035),
    *(21201, 21210, 21213, 21215, 21219, 21220),
}
FAILS: dict[FailReason, set[int]] = {
    FailReason.INVALID_ADDRESS: PERMANENT,
    FailReason.BLOCKED: BLOCKED | OPTED_OUT,
    FailReason.PROVIDER_ERROR: SOFT,
    FailReason.CONFIG: PAIR | CONFIG,
    FailReason.CONTENT: CONTENT | TEMPLATE,
}
REF = DeliveryId("0199a1b2-0000-7000-8000-0123456789ab")
ALL = sorted(set().union(*FAILS.values(), RATE, TROUBLE))


def reason_of(code: int) -> FailReason:
    """What a delivery fails with; what is repeated or settled at once fails as the provider's when told later."""
    return next((reason for reason, codes in FAILS.items() if code in codes), FailReason.PROVIDER_ERROR)


def test_the_table_knows_every_code_of_the_notes_once() -> None:
    known = [code for row in ERRORS.values() for code in row.codes]

    assert len(known) == len(set(known))
    assert set(ALL) == set(known)


def sent(shop: Shop, number: str = "+14155550101") -> Answer:
    outbound = Outbound(
        delivery=REF,
        lane=1,
        channel=Channel.SMS,
        to=number,
        content=SmsContent(body="Hello"),
    )
    return shop.senders[Channel.SMS].send(outbound)


@pytest.mark.parametrize("code", sorted(VOICE))
def test_a_call_that_is_refused_means_what_the_table_says(shop: Shop, twin: Twin, code: int) -> None:
    twin.faults({"fault": "refuse", "code": code, "channel": "voice"})
    call = VoiceContent(twiml="<Response><Say>Hello</Say></Response>")
    outbound = Outbound(delivery=REF, lane=1, channel=Channel.VOICE, to="+14155550101", content=call)

    answer = shop.senders[Channel.VOICE].send(outbound)

    if code in RATE:
        assert isinstance(answer, Busy)
    else:
        assert isinstance(answer, Rejected)
        assert (answer.reason, answer.suppress) == (reason_of(code), code in PERMANENT)
    assert answer.code == str(code)
    assert twin.messages() == []


@pytest.mark.parametrize("code", ALL)
def test_a_refusal_means_what_the_table_says(shop: Shop, twin: Twin, code: int) -> None:
    twin.faults({"fault": "refuse", "code": code})

    answer = sent(shop)

    if code in RATE:
        assert isinstance(answer, Busy)
    elif code in TROUBLE:
        assert isinstance(answer, Unknown)
    else:
        assert isinstance(answer, Rejected)
        assert answer.reason is reason_of(code)
        assert answer.suppress is (code in PERMANENT)
        assert answer.opt_out is (code in OPTED_OUT)
    if not isinstance(answer, Unknown):
        assert answer.code == str(code)
    assert twin.messages() == []


def test_a_failure_told_later_means_what_the_table_says(shop: Shop) -> None:
    shop.publish(steps({"sms": {"text": "Hello"}, "id": "hi"}))
    for code in ALL:
        shop.identify(f"u{code}", phone=f"+1555000{code}")
        shop.track(f"u{code}", "Go")

    shop.rest()

    found = {delivery.code: delivery for delivery in shop.deliveries() if not delivery.is_renewed}
    assert set(found) == {str(code) for code in ALL}
    wrong = {code: told for code in ALL if (told := _mistake(found[str(code)], code))}
    assert wrong == {}
    counts = shop.counts()
    assert counts["Address Suppressed"] == len(PERMANENT)
    assert counts["SMS Failed"] == len(ALL)


def _mistake(delivery: Delivery, code: int) -> dict[str, Any] | None:
    told = {"status": str(delivery.status), "reason": str(delivery.reason)}
    status = (
        Mark.UNDELIVERED
        if 30000 <= code < 40000 and code not in (30001, 30002, 30035, 30036)
        else Mark.FAILED
    )
    return None if told == {"status": str(status), "reason": str(reason_of(code))} else told


def test_a_code_that_the_table_lacks_is_told_to_whoever_keeps_it(shop: Shop, twin: Twin) -> None:
    twin.faults({"fault": "refuse", "code": 21999})
    with capture_logs() as logged:
        answer = sent(shop)
        late = failure("39999")

    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code) == (FailReason.CONTENT, "21999")
    assert (late.reason, late.permanent) == (FailReason.PROVIDER_ERROR, False)
    assert [line["code"] for line in logged if line["event"] == "twilio.unknown_code"] == ["21999", "39999"]


def test_a_failure_without_a_code_is_the_providers(shop: Shop) -> None:
    with capture_logs() as logged:
        assert failure(None).reason is FailReason.PROVIDER_ERROR

    assert logged == []
