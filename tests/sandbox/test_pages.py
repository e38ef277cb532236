"""The pages show phones, mailboxes and calls, and let no mail reach out of its frame."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.sandbox.twin import PERSON, Receiver, Twin, wait_until

EVIL = "<script>alert(1)</script>"


def test_the_overview_shows_all_three(twin: Twin) -> None:
    assert "No text has been sent yet." in twin.page("/")[0]
    twin.text(body=f"Hi {EVIL}")
    twin.mail(subject=EVIL)
    twin.call(twiml="<Response><Say>Good morning</Say></Response>")
    twin.settled()

    page, headers = twin.page("/")

    for shown in (PERSON, "ada@shop.example", "Good morning", "delivered", "completed"):
        assert shown in page
    assert "1 text · 1 mail · 1 call ·" in page
    assert "times in UTC" in page
    assert "<script" not in page
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_phone_shows_the_conversation_and_can_answer(twin: Twin) -> None:
    twin.text(body="Are you coming?")
    path = f"/phones/{quote(PERSON)}"
    request = urllib.request.Request(twin.url + path, b"body=Yes%2C+at+8", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        page = answer.read().decode()

    assert page.index("Are you coming?") < page.index("Yes, at 8")


def test_a_mail_is_rendered_in_a_sandboxed_frame_with_source_and_headers(twin: Twin) -> None:
    html = f"<h1>Sale</h1>{EVIL}"
    answer = twin.mail(content=[{"type": "text/html", "value": html}], headers={"X-Shop": "yes"})
    path = f"/mails/{quote(answer.headers['X-Message-Id'])}"

    assert path in twin.page("/mailboxes/ada@shop.example")[0]
    page, _ = twin.page(path)
    frame, headers = twin.page(f"{path}/html")

    assert f'<iframe sandbox="allow-popups" src="{path}/html"' in page
    assert "&lt;script&gt;" in page
    assert "X-Shop" in page
    assert "<script" not in page
    assert frame == html
    assert headers["content-security-policy"].startswith("sandbox ")
    assert "script-src" not in headers["content-security-policy"]


def test_a_call_reads_as_a_transcript(twin: Twin) -> None:
    call = twin.call("+15550020003", twiml="<Response><Say>Press a key</Say><Gather/></Response>")
    twin.settled()

    page, _ = twin.page(f"/calls/{call.sid}")

    assert "Press a key" in page
    assert page.index("Press a key") < page.index(">3<")


def submit(twin: Twin, path: str, **fields: str) -> str:
    """Submit a page's form; return the page it leads to."""
    request = urllib.request.Request(twin.url + path, urlencode(fields).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        page: str = answer.read().decode()
    return page


def test_keys_are_pressed_and_words_said_in_a_call_going_on(twin: Twin, receiver: Receiver) -> None:
    receiver.script = lambda hit: (
        200,
        "<Response><Say>Thank you</Say><Gather input='dtmf speech' timeout='60' action='/more'/></Response>",
        "text/xml",
    )
    twin.configure(latencies=True, speed=5, ring_seconds=0.0)
    call = twin.call(twiml=f"<Response><Gather timeout='60' action='{receiver.url}/menu'/></Response>")
    wait_until(lambda: twin.message()["status"] == "in-progress")
    assert 'name="digits" value="9"' in twin.page(f"/calls/{call.sid}")[0]

    submit(twin, f"/calls/{call.sid}", digits="1")
    wait_until(lambda: receiver.forms("Digits") == ["1"])
    wait_until(lambda: "Thank you" in twin.page(f"/calls/{call.sid}")[0])
    submit(twin, f"/calls/{call.sid}", speech="Good bye")

    wait_until(lambda: "Good bye" in receiver.forms("SpeechResult"))
    call.update(status="completed")


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("open", "open"),
        ("machine open", "open"),
        ("click", "click"),
        ("bounce", "bounce"),
        ("block", "bounce"),
        ("spam", "spamreport"),
        ("unsubscribe", "unsubscribe"),
    ],
)
def test_what_a_reader_does_by_a_click_is_reported(
    twin: Twin, receiver: Receiver, action: str, event: str
) -> None:
    twin.configure(event_webhook_url=f"{receiver.url}/events")
    answer = twin.mail()
    twin.settled()

    page = submit(twin, f"/mails/{quote(answer.headers['X-Message-Id'])}", action=action)

    assert f'value="{action}"' in page
    wait_until(lambda: receiver.events()[-1]["event"] == event)


@pytest.mark.parametrize(
    "path", ["/phones/+1999", "/mailboxes/x@y.io", "/mails/none", "/mails/none/html", "/calls/CA0"]
)
def test_what_is_not_there_is_404(twin: Twin, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        twin.page(path)

    refusal.value.close()
    assert refusal.value.code == 404


def test_a_browser_shows_the_mail(twin: Twin, chromium: Path, tmp_path: Path) -> None:
    answer = twin.mail()
    picture = tmp_path / "mail.png"
    subprocess.run(
        [
            str(chromium), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
            f"--screenshot={picture}", "--window-size=1200,900",
            f"{twin.url}/mails/{answer.headers['X-Message-Id']}",
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )  # fmt: skip

    assert picture.stat().st_size > 5_000
