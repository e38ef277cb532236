"""WhatsApp through the real SDK: approved templates, the 24-hour window, and the switch when the provider knows better."""

from datetime import timedelta

from engage.domain.delivery.delivery import Mark
from tests.sandbox.twin import PERSON, Twin
from tests.twin.shop import Shop, steps

CONTENT = "HX" + "b" * 32
TEMPLATE = {
    "whatsapp": {
        "content": CONTENT,
        "variables": {"1": "{{ profile.name }}", "2": "{{ entry.order }}"},
        "text": "Your order {{ entry.order }} is on its way.",
    }
}
APPROVED = CONTENT + ' {"1":"Ada","2":"o-1"}'


def order(shop: Shop) -> None:
    shop.track("ada", "Go", order="o-1")
    shop.rest()


def open_for_ada(shop: Shop) -> None:
    shop.templates({"t": TEMPLATE})
    read = {"step": "note", "status": "opened", "timeout": "1 hour", "then": [{"exit": "read"}]}
    shop.publish(steps({"whatsapp": "t", "id": "note"}, {"wait_for": read}))
    shop.identify("ada", name="Ada", phone=PERSON)


def test_outside_the_window_the_approved_template_goes_and_is_read(shop: Shop, twin: Twin) -> None:
    open_for_ada(shop)

    order(shop)

    message = twin.message()
    assert (message["channel"], message["to"], message["body"]) == (
        "whatsapp",
        f"whatsapp:{PERSON}",
        APPROVED,
    )
    assert shop.delivery().status is Mark.OPENED
    assert shop.counts()["WhatsApp Read"] == 1


def test_inside_the_window_the_text_goes_and_a_day_later_the_template(shop: Shop, twin: Twin) -> None:
    open_for_ada(shop)
    order(shop)
    twin.post("inbound", {"channel": "whatsapp", "from": PERSON, "body": "Where is it?"})
    shop.rest()

    order(shop)
    shop.clock.move_to(shop.clock.now() + timedelta(hours=24, minutes=1))
    order(shop)

    assert [message["body"] for message in twin.messages()] == [
        APPROVED,
        "Your order o-1 is on its way.",
        APPROVED,
    ]
    assert shop.counts()["WhatsApp Received"] == 1


def test_where_the_provider_says_that_the_window_is_closed_the_template_follows_once(
    shop: Shop, twin: Twin
) -> None:
    open_for_ada(shop)
    order(shop)
    twin.post("inbound", {"channel": "whatsapp", "from": PERSON, "body": "Where is it?"})
    shop.rest()
    twin.post("reset")  # the provider has forgotten that she wrote

    order(shop)

    assert [message["body"] for message in twin.messages()] == ["Your order o-1 is on its way.", APPROVED]
    refused, again = shop.deliveries()[1:]
    assert (refused.status, refused.code, again.status) == (Mark.FAILED, "63016", Mark.OPENED)
    run = next(run for run in shop.runs() if run.id == again.run)
    assert (run.reason, run.deliveries["note"].id) == ("read", again.id)


def test_a_text_without_a_template_fails_once_outside_the_window(shop: Shop, twin: Twin) -> None:
    shop.publish(steps({"whatsapp": {"text": "Hi"}}))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()

    assert (shop.delivery().status, shop.delivery().code) == (Mark.FAILED, "63016")


def test_an_empty_variable_is_refused_before_the_provider_does(shop: Shop, twin: Twin) -> None:
    open_for_ada(shop)
    shop.track("ada", "Go", order="")
    shop.rest()

    assert str(shop.delivery().reason) == "render_failed"
    assert twin.messages() == []
