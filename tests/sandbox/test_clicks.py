"""What a person does on the sandbox's pages with mouse and keys, in a real browser, and what the sender is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from tests.sandbox.browser import Browser, browsing
from tests.sandbox.twin import PERSON, TOKEN, Receiver, Twin, wait_until

STICKING_OUT = """
[...document.querySelectorAll('.card *')]
    .filter(e => !e.closest('details'))  // what is folded away scrolls by itself
    .filter(e => e.getBoundingClientRect().right > e.closest('.card').getBoundingClientRect().right)
    .map(e => e.outerHTML.slice(0, 80))
"""
HTML = '<h1 id="hello">Spring</h1><p>New <a href="https://shop.example/new">teas</a> are in.</p>'


@pytest.fixture(scope="module")
def started(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(chromium, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(started: Browser, twin: Twin) -> Iterator[Browser]:
    started.complaints.clear()
    yield started
    assert started.complaints == []


def mail(twin: Twin, receiver: Receiver) -> None:
    twin.configure(event_webhook_url=f"{receiver.url}/events", reader_fetches=False)
    content = [{"type": "text/plain", "value": "Spring"}, {"type": "text/html", "value": HTML}]
    twin.mail(subject="New teas", content=content, headers={"List-Unsubscribe": "<https://shop.example/u>"})
    twin.settled()


def test_a_phone_answers_and_the_sender_gets_a_signed_text(
    browser: Browser, twin: Twin, receiver: Receiver
) -> None:
    twin.configure(inbound_sms_url=f"{receiver.url}/inbound")
    twin.text(body="Are you coming?")
    browser.open(twin.url)

    browser.follow(f"a[href*='{PERSON[1:]}']")
    browser.type("input[name=body]", "Yes, at 8 & with Bob")
    browser.follow("form button")

    assert "Are you coming?" in browser.text()
    assert "Yes, at 8 & with Bob" in browser.text()
    (hit,) = receiver.hits
    assert (hit.form["Body"], hit.form["From"]) == ("Yes, at 8 & with Bob", PERSON)
    assert RequestValidator(TOKEN).validate(hit.url, hit.form, hit.headers["x-twilio-signature"])


def test_a_phone_says_stop_and_the_next_text_is_refused(
    browser: Browser, twin: Twin, receiver: Receiver
) -> None:
    twin.configure(inbound_sms_url=f"{receiver.url}/inbound")
    twin.text()
    browser.open(f"{twin.url}/phones/%2B{PERSON[1:]}")

    browser.type("input[name=body]", "STOP")
    browser.follow("form button")

    with pytest.raises(TwilioRestException) as refused:
        twin.text()
    assert refused.value.code == 21610


@pytest.mark.parametrize(
    ("action", "event", "status"),
    [
        ("open", "open", "open"),
        ("click", "click", "click"),
        ("bounce", "bounce", "bounce"),
        ("block", "bounce", "blocked"),
        ("spam", "spamreport", "spamreport"),
        ("unsubscribe", "unsubscribe", "unsubscribe"),
    ],
)
def test_a_reader_does_something_by_a_click_and_the_sender_gets_a_signed_event(
    browser: Browser, twin: Twin, receiver: Receiver, action: str, event: str, status: str
) -> None:
    mail(twin, receiver)
    browser.open(twin.url)
    browser.follow("a[href^='/mailboxes/']")
    browser.follow("a[href^='/mails/']")

    browser.follow(f"button[value='{action}']")

    browser.reads(status)
    wait_until(lambda: receiver.events()[-1]["event"] == event)
    last = receiver.hits[-1]
    stamp = last.headers["x-twilio-email-event-webhook-timestamp"]
    signature = last.headers["x-twilio-email-event-webhook-signature"]
    key = EventWebhook().convert_public_key_to_ecdsa(twin.box.public_key)
    assert EventWebhook().verify_signature(last.body.decode(), signature, stamp, key)


def test_the_mailbox_s_own_unsubscribe_button_posts_as_rfc_8058_says(
    browser: Browser, twin: Twin, receiver: Receiver
) -> None:
    headers = {
        "List-Unsubscribe": f"<{receiver.url}/u/token>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    twin.mail(content=[{"type": "text/html", "value": HTML}], headers=headers)
    twin.settled()
    browser.open(f"{twin.url}/mails/{twin.message()['id']}")

    browser.follow("button[value='one-click']")

    (hit,) = wait_until(lambda: receiver.hits)
    assert (hit.method, hit.path, hit.body) == ("POST", "/u/token", b"List-Unsubscribe=One-Click")


def test_a_mail_is_seen_rendered_with_its_headers_and_its_source(
    browser: Browser, twin: Twin, receiver: Receiver, tmp_path: Path
) -> None:
    mail(twin, receiver)
    browser.open(f"{twin.url}/mails/{twin.message()['id']}")
    assert "List-Unsubscribe" not in browser.text()

    for number in (1, 3):  # headers; the second is the plain text; HTML source
        browser.click(f"section > details:nth-of-type({number}) > summary")

    assert "List-Unsubscribe" in browser.text()
    assert '<h1 id="hello">Spring</h1>' in browser.text()
    frame = "document.querySelector('iframe').getBoundingClientRect()"
    assert browser.value(f"{frame}.height") > 300
    assert browser.value("document.querySelector('iframe').sandbox.value") == "allow-popups"
    assert len(browser.picture(tmp_path / "mail.png")) > 20_000


def test_a_key_is_pressed_and_a_word_said_in_a_call(
    browser: Browser, twin: Twin, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.script = lambda hit: (
        200,
        "<Response><Say>Thank you</Say><Gather input='dtmf speech' timeout='60' action='/more'/></Response>",
        "text/xml",
    )
    twin.configure(latencies=True, speed=5, ring_seconds=0.0)
    call = twin.call(
        twiml=f"<Response><Say>Press a key</Say><Gather timeout='60' action='{receiver.url}/menu'/></Response>"
    )
    wait_until(lambda: twin.message()["status"] == "in-progress")
    browser.open(twin.url)
    browser.follow("a[href^='/calls/']")
    browser.reads("Press a key")

    browser.follow("button[value='9']")
    wait_until(lambda: receiver.forms("Digits") == ["9"])
    browser.reads("Thank you")
    browser.type("input[name=speech]", "Good bye")
    browser.follow("form:last-of-type button")

    wait_until(lambda: "Good bye" in receiver.forms("SpeechResult"))
    browser.picture(tmp_path / "call.png")
    call.update(status="completed")


@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits_its_screen(
    browser: Browser, twin: Twin, receiver: Receiver, width: int, tmp_path: Path
) -> None:
    mail(twin, receiver)
    twin.text(body="https://shop.example/" + "very-long-" * 30)
    call = twin.call(twiml="<Response><Say>Hello</Say></Response>")
    twin.settled()
    browser.ask(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
    )
    mails = [one["id"] for one in twin.messages(channel="email")]

    for path in (
        "/",
        f"/phones/%2B{PERSON[1:]}",
        "/mailboxes/ada@shop.example",
        f"/mails/{mails[0]}",
        f"/calls/{call.sid}",
    ):
        browser.open(twin.url + path)
        assert browser.value("document.documentElement.scrollWidth <= innerWidth"), path
        assert browser.value(STICKING_OUT) == [], path
        browser.picture(tmp_path / f"{width}-{path.strip('/').replace('/', '-') or 'overview'}.png")
    browser.ask("Emulation.clearDeviceMetricsOverride")
