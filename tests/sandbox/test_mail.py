"""SendGrid's mail/send through its SDK: validation, fates by local part, signed events, suppressions."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from python_http_client.exceptions import BadRequestsError, NotFoundError, UnauthorizedError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook

from tests.sandbox.twin import Json, Receiver, Twin, mail_body, wait_until


@pytest.fixture
def events(twin: Twin, receiver: Receiver) -> Receiver:
    twin.configure(event_webhook_url=f"{receiver.url}/events")
    return receiver


def names(receiver: Receiver, to: str) -> list[str]:
    return [event["event"] for event in receiver.events() if event["email"] == to]


def test_a_mail_is_accepted_with_202_an_empty_body_and_an_id(twin: Twin) -> None:
    answer = twin.mail()

    assert (answer.status_code, answer.body) == (202, b"")
    message = twin.message()
    assert message["id"] == answer.headers["X-Message-Id"]
    assert message | {"callbacks": [], "accepted_at": "", "id": "", "status": ""} == {
        "id": "",
        "channel": "email",
        "ref": "ref-1",
        "to": "ada@shop.example",
        "from": "shop@shop.example",
        "subject": "Hello",
        "body": "Hello Ada",
        "html": mail_body()["content"][1]["value"],
        "segments": None,
        "accepted_at": "",
        "status": "",
        "callbacks": [],
        "headers": {},
        "categories": [],
        "attachments": [],
        "pool": None,
        "unsubscribe_group": None,
        "tracking": {"opens": True, "clicks": True},
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "nonsense"}]}]}, "personalizations.0.to.0.email"),
        (
            {"personalizations": [{"to": [{"email": "a@b.io"}], "cc": [{"email": "A@b.io"}]}]},
            "personalizations.0.cc",
        ),
        ({"from": None}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        (
            {"content": [{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]},
            "content",
        ),
        ({"custom_args": {"n": 1}}, "custom_args"),
        ({"custom_args": {"n": "x" * 10_000}}, "custom_args"),
        ({"categories": [str(n) for n in range(11)]}, "categories"),
        ({"categories": ["a", "a"]}, "categories"),
        ({"headers": {"Subject": "x"}}, "headers.Subject"),
        ({"headers": {"X-A": 1}}, "headers.X-A"),
        ({"send_at": int(time.time()) + 80 * 3600}, "send_at"),
        ({"batch_id": "unheard-of"}, "batch_id"),
        ({"ip_pool_name": "x"}, "ip_pool_name"),
        ({"asm": {"group_id": "news"}}, "asm.group_id"),
        ({"asm": {"group_id": 1, "groups_to_display": list(range(26))}}, "asm.groups_to_display"),
        ({"attachments": [{"filename": "a.txt", "content": "no base64!"}]}, "attachments.0.content"),
        ({"attachments": [{"content": "QQ=="}]}, "attachments.0.filename"),
        (
            {"attachments": [{"filename": "a", "content": "QQ==", "disposition": "x"}]},
            "attachments.0.disposition",
        ),
        ({"reply_to": {"email": "nobody"}}, "reply_to.email"),
        ({"reply_to_list": [{"email": "nobody"}]}, "reply_to_list.0.email"),
        ({"reply_to_list": []}, "reply_to_list"),
    ],
)
def test_a_bad_mail_is_refused_by_field(twin: Twin, change: Json, field: str) -> None:
    with pytest.raises(BadRequestsError) as refusal:
        twin.mail(**change)

    errors = json.loads(refusal.value.body)["errors"]
    assert [error["field"] for error in errors] == [field]
    assert set(errors[0]) == {"message", "field", "help"}
    assert twin.messages() == []


def test_a_template_needs_neither_subject_nor_content(twin: Twin) -> None:
    body = mail_body() | {"template_id": "d-1"}
    body["personalizations"][0]["dynamic_template_data"] = {"name": "Ada"}
    del body["subject"], body["content"]

    answer = twin.sendgrid.client.mail.send.post(request_body=body)

    assert answer.status_code == 202
    assert twin.message()["body"] == '{"name":"Ada"}'


def test_a_wrong_key_is_refused(twin: Twin) -> None:
    twin.configure(sendgrid_api_key="SG.right")

    with pytest.raises(UnauthorizedError):
        twin.mail()

    right = SendGridAPIClient("SG.right", host=twin.url)
    assert right.client.mail.send.post(request_body=mail_body()).status_code == 202


def test_sandbox_mode_validates_and_sends_nothing(twin: Twin) -> None:
    answer = twin.mail(mail_settings={"sandbox_mode": {"enable": True}})

    assert answer.status_code == 200
    assert twin.messages() == []


@pytest.mark.parametrize(
    ("to", "wanted"),
    [
        ("ada@x.io", ["processed", "delivered"]),
        ("bounce+5.1.1@x.io", ["processed", "bounce"]),
        ("blocked@x.io", ["processed", "bounce"]),
        ("deferred3@x.io", ["processed", "deferred", "deferred", "deferred", "delivered"]),
        ("dropped-invalid@x.io", ["dropped"]),
        ("spam@x.io", ["processed", "delivered", "spamreport"]),
        ("open@x.io", ["processed", "delivered", "open"]),
        ("machineopen@x.io", ["processed", "delivered", "open"]),
        ("click@x.io", ["processed", "delivered", "open", "click"]),
        ("click+17@x.io", ["processed", "delivered", "open", "click"]),
        ("unsub@x.io", ["processed", "delivered", "unsubscribe"]),
        ("slow@x.io", ["processed", "delivered"]),
    ],
)
def test_the_local_part_decides_the_fate(twin: Twin, events: Receiver, to: str, wanted: list[str]) -> None:
    twin.mail(to)

    (message,) = twin.settled()
    assert names(events, to) == wanted
    assert message["status"] == ("blocked" if to.startswith("blocked") else wanted[-1])
    assert [c["event"] for c in message["callbacks"]] == wanted


def test_events_carry_what_the_provider_documents(twin: Twin, events: Receiver) -> None:
    body = mail_body("bounce+5.2.2@x.io") | {
        "categories": ["news"],
        "custom_args": {"engage_ref": "r", "x": "y"},
    }
    message_id = twin.sendgrid.client.mail.send.post(request_body=body).headers["X-Message-Id"]
    for to in ("click@x.io", "machineopen@x.io", "deferred@x.io", "dropped-invalid@x.io", "blocked@x.io"):
        twin.mail(to)

    twin.settled()
    found: dict[tuple[str, str], Json] = {(e["email"].split("@")[0], e["event"]): e for e in events.events()}
    bounce = found["bounce+5.2.2", "bounce"]
    assert bounce["sg_message_id"].startswith(f"{message_id}.")
    assert (bounce["engage_ref"], bounce["x"], bounce["category"]) == ("r", "y", "news")
    assert (bounce["status"], bounce["type"]) == ("5.2.2", "bounce")
    assert bounce["bounce_classification"] == "Mailbox Unavailable"
    assert found["blocked", "bounce"]["type"] == "blocked"
    assert found["deferred", "deferred"]["attempt"] == "1"
    assert found["dropped-invalid", "dropped"]["reason"] == "Invalid"
    assert found["click", "click"]["url"] == "https://shop.example/a?b=1&c=2"
    assert found["click", "open"]["sg_machine_open"] is False
    assert found["machineopen", "open"]["sg_machine_open"] is True
    ids = [event["sg_event_id"] for event in events.events()]
    assert len(set(ids)) == len(ids)


def test_batches_verify_with_the_sdk_end_in_crlf_and_hold_at_most_500(twin: Twin, events: Receiver) -> None:
    twin.configure(event_batch_seconds=30)
    people = [{"to": [{"email": f"u{n}@x.io"}]} for n in range(600)]
    twin.mail(personalizations=people)
    wait_until(lambda: twin.get("stats")["callbacks"]["pending"] == 1200)
    twin.post("clock", {"speed": 1000})

    twin.settled()

    webhook = EventWebhook(
        twin.sendgrid.client.user.webhooks.event.settings.signed.get().to_dict["public_key"]
    )
    assert sorted(len(hit.events) for hit in events.hits) == [200, 500, 500]
    for hit in events.hits:
        assert hit.body.endswith(b"\r\n")
        signature = hit.headers["x-twilio-email-event-webhook-signature"]
        timestamp = hit.headers["x-twilio-email-event-webhook-timestamp"]
        assert webhook.verify_signature(hit.body.decode(), signature, timestamp)
        assert not webhook.verify_signature(hit.body.decode().strip(), signature, timestamp)


def test_a_refused_batch_is_sent_again(twin: Twin, events: Receiver) -> None:
    events.answers = [500, 403]
    twin.post("clock", {"speed": 100})
    twin.configure(event_batch_seconds=1.0)

    twin.mail()

    (message,) = twin.settled()
    assert [(c["event"], c["tries"], c["answer"]) for c in message["callbacks"]] == [
        ("processed", 3, 204),
        ("delivered", 3, 204),
    ]
    assert len({hit.body for hit in events.hits}) == 1


def test_everybody_in_a_mail_has_a_life_but_its_reference_counts_once(twin: Twin, events: Receiver) -> None:
    twin.mail(
        personalizations=[
            {"to": [{"email": "a@x.io"}, {"email": "b@x.io"}], "cc": [{"email": "c@x.io"}]},
        ]
    )

    assert [message["to"] for message in twin.settled()] == ["a@x.io", "b@x.io", "c@x.io"]
    assert names(events, "c@x.io") == ["processed", "delivered"]
    assert twin.get("stats")["duplicates"] == {}
    twin.mail()
    assert twin.get("stats")["duplicates"] == {"ref-1": 2}


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("bounce+5.1.1@x.io", "Bounced Address"),
        ("spam@x.io", "Spam Reporting Address"),
        ("unsub@x.io", "Unsubscribed Address"),
    ],
)
def test_a_suppressed_address_is_dropped(twin: Twin, events: Receiver, first: str, reason: str) -> None:
    twin.mail(first)
    twin.settled()

    twin.mail(first)

    twin.settled()
    assert events.events()[-1]["event"] == "dropped"
    assert events.events()[-1]["reason"] == reason


def test_suppressions_can_be_read_and_lifted(twin: Twin, events: Receiver) -> None:
    twin.mail("bounce+5.1.1@x.io")
    twin.settled()
    bounces = twin.sendgrid.client.suppression.bounces

    (listed,) = bounces.get().to_dict
    assert (listed["email"], listed["status"]) == ("bounce+5.1.1@x.io", "5.1.1")
    assert bounces._("bounce+5.1.1@x.io").delete().status_code == 204
    with pytest.raises(NotFoundError):
        bounces._("bounce+5.1.1@x.io").delete()
    assert bounces.get().to_dict == []


def test_groups_and_global_unsubscribes_drop(twin: Twin, events: Receiver) -> None:
    asm = twin.sendgrid.client.asm
    group = asm.groups.post(request_body={"name": "News", "description": "news"}).to_dict["id"]
    asm.groups._(group).suppressions.post(request_body={"recipient_emails": ["in@x.io"]})
    asm.suppressions._("global").post(request_body={"recipient_emails": ["all@x.io"]})

    twin.mail("in@x.io", asm={"group_id": group})
    twin.mail("in@x.io")
    twin.mail("all@x.io")
    twin.mail("all@x.io", mail_settings={"bypass_list_management": {"enable": True}})

    statuses = [message["status"] for message in twin.settled()]
    assert statuses == ["dropped", "delivered", "dropped", "delivered"]


def test_shares_of_ordinary_addresses_open_and_click_the_same_on_every_run(twin: Twin) -> None:
    twin.configure(open_share=0.5, click_share=0.2)
    people = [{"to": [{"email": f"p{n}@x.io"}]} for n in range(200)]

    def play() -> list[str]:
        twin.post("reset")
        twin.mail(personalizations=people)
        return [message["status"] for message in twin.settled()]

    first, second = play(), play()

    assert first == second
    assert 20 <= first.count("click") <= 60
    assert 80 <= first.count("click") + first.count("open") <= 120


def test_where_tracking_is_off_the_reader_really_fetches(twin: Twin, events: Receiver) -> None:
    html = f'<img src="{events.url}/o/t.gif"><a href="{events.url}/l/t">x</a>'
    twin.mail(
        "click@x.io",
        content=[{"type": "text/html", "value": html}],
        tracking_settings={"open_tracking": {"enable": False}, "click_tracking": {"enable": False}},
    )

    wait_until(lambda: {"/o/t.gif", "/l/t"} <= {hit.path for hit in events.hits if hit.method == "GET"})


def test_the_one_click_mailbox_posts_what_rfc_8058_says(twin: Twin, events: Receiver) -> None:
    headers = {
        "List-Unsubscribe": f"<{events.url}/u/t>, <mailto:x@x.io>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }

    twin.mail("oneclick@x.io", headers=headers)

    hit = wait_until(lambda: next((hit for hit in events.hits if hit.path == "/u/t"), None))
    assert hit is not None
    assert (hit.method, hit.body) == ("POST", b"List-Unsubscribe=One-Click")


def test_a_canceled_batch_is_not_sent(twin: Twin, events: Receiver) -> None:
    batch = twin.sendgrid.client.mail.batch.post().to_dict["batch_id"]
    twin.sendgrid.client.user.scheduled_sends.post(request_body={"batch_id": batch, "status": "cancel"})

    twin.mail(batch_id=batch)

    (message,) = twin.settled()
    assert message["status"] == "canceled"
    assert events.hits == []


def test_the_webhook_can_be_set_and_tested_by_the_api(twin: Twin, receiver: Receiver) -> None:
    event: Any = twin.sendgrid.client.user.webhooks.event
    event.settings.patch(request_body={"url": f"{receiver.url}/e", "enabled": True})

    event.test.post(request_body={})

    wait_until(lambda: len(receiver.events()) == 9)
    assert event.settings.get().to_dict["url"] == f"{receiver.url}/e"
    assert twin.sendgrid.client.scopes.get().to_dict["scopes"][0] == "mail.send"


@pytest.mark.parametrize(
    "change",
    [
        {"mail_settings": []},
        {"tracking_settings": {"open_tracking": True}},
        {"reply_to": "a@b.io"},
        {"asm": 7},
        {"content": "x"},
        {"template_id": "d-1", "content": [{}]},
        {"personalizations": [7]},
        {"personalizations": [{"to": [{"email": "a@b.io"}], "cc": 7}]},
        {"personalizations": [{"to": [{"email": "a@b.io"}], "from": 7}]},
        {"personalizations": [{"to": [{"email": "a@b.io"}], "substitutions": "x"}]},
    ],
)
def test_a_mail_of_odd_types_is_refused_and_not_an_accident(twin: Twin, change: Json) -> None:
    with pytest.raises(BadRequestsError):
        twin.mail(**change)
