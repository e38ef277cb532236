"""An erased person is found in no table, file or log of a running system, and what comes late about them changes nothing."""

import json
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg import sql

from engage.channels.sendgrid_email import LANE, REF
from engage.channels.twilio_callbacks import callback_url
from engage.domain.ids import DeliveryId, ProfileId, lane_of
from engage.domain.links.token import Preferences, TrackedLink, make_token
from engage.sandbox.signing import EventSigner, twilio_signature
from engage.storage.postgres.whereabouts import BY_ADDRESS, BY_CONTENT, BY_PROFILE, NOBODYS
from tests.live.stack import Stack, as_source, eventually, running_stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(280)]

USER, MAIL, PHONE, NAME = "zq-7781", "zephyrine@quill.example", "+14155550142", "Zephyrine"
WORDS = (USER, MAIL, PHONE, PHONE[2:], NAME, "Quillfeather", "(415) 555-0142")
SETTINGS = {
    "topics": {
        "offers": {"title": "Offers", "email": "opt_out", "sms": "opt_out", "voice": "opt_out"},
        "news": {"title": "News", "email": "opt_out"},
    },
    "quiet_hours": {"from": "00:00", "to": "23:59", "channels": ["voice"]},
}
JOURNEYS: tuple[dict[str, Any], ...] = (
    {
        "journey": "hello",
        "topic": "offers",
        "trigger": {"event": "Go"},
        "entry": {"reentry": "never"},
        "steps": [
            {"sms": {"text": "Hello {{ profile.name }}"}},
            {"email": {"text": "Hello {{ profile.name }}, {{ entry.note }}"}},
            {"wait": "1 day"},
        ],
    },
    {
        "journey": "ring",
        "topic": "offers",
        "trigger": {"event": "Go"},
        "entry": {"reentry": "never"},
        "steps": [{"voice": {"text": "Hello {{ profile.name }}"}}],
    },
    {
        "journey": "freed",
        "trigger": {
            "signal": "Freed",
            "people": "profile.name is present",
            "at_most": 5,
            "pace": "1 per hour",
        },
        "steps": [{"wait": "1 day"}],
    },
)
AUDIENCES = (
    {"audience": "named", "where": "profile.name is present"},
    {"audience": "guests", "members": "manual"},
)
OWN_FILES = ("postgres", "sandbox", "sandbox.log")
"""PostgreSQL keeps dead rows until they are vacuumed, and its log of changes until that is recycled; the sandbox is the provider."""


def tables_of(stack: Stack) -> list[str]:
    """Return every table there is, parts of others left out."""
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'm', 'f') AND NOT relispartition ORDER BY relname"
    )
    return [name for (name,) in stack.rows(query)]


def dump(stack: Stack) -> dict[str, str]:
    """Return every table as text, bytes among it as what they say."""
    found = {}
    with psycopg.connect(stack.services.database_url) as connection:
        connection.execute("SET bytea_output = 'escape'")
        for table in tables_of(stack):
            query = sql.SQL("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {} AS t").format(
                sql.Identifier(table)
            )
            row = connection.execute(query).fetchone()
            found[table] = row[0] if row is not None else ""
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in the installation's folder: logs, secrets, schedules, the broker's files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(OWN_FILES) for part in path.relative_to(folder).parts)
    }


def traces(stack: Stack, words: tuple[str, ...]) -> list[str]:
    """Return where any of these words stands."""
    texts = {f"table {name}": text for name, text in dump(stack).items()}
    texts |= {f"file {name}": data.decode("utf-8", "replace") for name, data in files(stack.folder).items()}
    return [
        f"{place}: {word}" for place, text in texts.items() for word in words if word.lower() in text.lower()
    ]


def live_a_little(stack: Stack) -> None:
    """Let a person leave traces wherever there may be some."""
    with stack.events() as events, stack.api() as api:
        traits = {"name": f"{NAME} Quillfeather", "email": MAIL, "phone": PHONE}
        consent = {"messaging_subscriptions": [{"key": MAIL, "type": "EMAIL", "status": "SUBSCRIBED"}]}
        events.call("POST", "/v1/identify", {"anonymousId": "anon-quillfeather", "traits": traits})
        events.call(
            "POST", "/v1/identify", {"userId": "bystander", "traits": {"name": "Bob", "email": "b@o.example"}}
        )
        events.call(
            "POST",
            "/v1/identify",
            {"userId": USER, "anonymousId": "anon-quillfeather", "traits": traits, "context": consent},
        )
        events.call(
            "POST",
            "/v1/track",
            {"userId": USER, "event": "Go", "messageId": f"go-{MAIL}", "properties": {"note": f"by {NAME}"}},
        )
        bad = [
            {"type": "track", "userId": USER, "properties": {"phone": "(415) 555-0142"}},
            {"type": "identify", "traits": {"contact": {"mail": MAIL.upper()}}},
        ]
        events.call("POST", "/v1/batch", {"batch": bad})
        api.call("PUT", "/v1/audiences/guests/members", {"add": [f"email:{MAIL}"]})
        wish = {"profile": f"email:{MAIL}", "channel": "email", "topic": "news", "state": "unsubscribed"}
        api.call("PUT", "/v1/subscriptions", {"subscriptions": [wish]})
        _send(
            stack,
            "/v1/deliveries",
            json.dumps(
                {"profile": f"user_id:{USER}", "channel": "sms", "text": f"Dear {NAME}", "topic": "offers"}
            ).encode(),
            {"authorization": f"Bearer {stack.token}", "idempotency-key": f"welcome {MAIL}"},
        )
        assert eventually(
            lambda: stack.count("SELECT count(*) FROM membership WHERE audience = 'named'") == 2
        )
        events.call("POST", "/v1/signals", {"event": "Freed"})


def _send(stack: Stack, path: str, body: bytes | None, headers: dict[str, str]) -> int:
    request = urllib.request.Request(stack.url + path, body, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        exc.close()
        return int(exc.code)


def settled(stack: Stack) -> bool:
    """Return whether everything has happened that will: two texts and a mail left, a call waits, somebody was chosen."""
    done = stack.count("SELECT count(*) FROM delivery WHERE status = 'delivered'") == 3
    held = stack.count("SELECT count(*) FROM delivery WHERE status = 'held'") == 1
    chosen = stack.count("SELECT count(*) FROM run WHERE journey = 'freed'") == 1
    return done and held and chosen and not stack.count("SELECT count(*) FROM inbox")


def tell_late(stack: Stack, deliveries: dict[str, DeliveryId], profile: ProfileId) -> list[int]:
    """Let providers and mail programs tell something about the person, properly signed."""
    token = stack.environment["TWILIO_AUTH_TOKEN"]
    lane = lane_of(USER)
    url = callback_url(stack.url, "twilio/status", deliveries["sms"], lane).partition("#")[0]
    answers = []
    for status, code in (("delivered", ""), ("undelivered", "30006"), ("failed", "21610")):
        form = {"MessageSid": "SM" + "0" * 32, "MessageStatus": status, "To": PHONE}
        form |= {"ErrorCode": code} if code else {}
        signed = {
            "X-Twilio-Signature": twilio_signature(token, url, form.items()),
            "content-type": "application/x-www-form-urlencoded",
        }
        answers.append(_send(stack, url.removeprefix(stack.url), urlencode(form).encode(), signed))
    signer = EventSigner(json.loads((stack.folder / "data" / "sandbox.json").read_text())["signing_key"])
    events = [
        {
            "event": name,
            "email": MAIL,
            REF: deliveries["email"],
            LANE: str(lane),
            "sg_event_id": name,
            "type": "bounce",
        }
        for name in ("delivered", "open", "bounce", "spamreport", "unsubscribe")
    ]
    body, stamp = json.dumps(events).encode(), str(int(time.time()))
    signed = {
        "X-Twilio-Email-Event-Webhook-Signature": signer.sign(stamp, body),
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }
    answers.append(_send(stack, "/webhooks/sendgrid/events", body, signed))
    secrets = stack.environment["ENGAGE_SECRET_KEY"].split(",")
    link = make_token(
        Preferences(
            channel="email", address=MAIL, topic="offers", profile=profile, delivery=deliveries["email"]
        ),
        secrets,
    )
    form = {"content-type": "application/x-www-form-urlencoded"}
    answers.append(_send(stack, f"/u/{link}", b"List-Unsubscribe=One-Click", form))
    click = make_token(
        TrackedLink(delivery=deliveries["email"], lane=lane, url=f"{stack.url}/healthz"), secrets
    )
    with urllib.request.urlopen(f"{stack.url}/l/{click}", timeout=10) as answer:
        answers.append(answer.status)
    return answers


def test_every_table_says_whether_it_may_hold_somebody(services_dir: Path) -> None:
    known = {table for table, _ in (*BY_PROFILE, *BY_ADDRESS)} | set(BY_CONTENT) | NOBODYS
    with running_stack(services_dir / "tables", processes=("sandbox", "api")) as stack:
        assert set(tables_of(stack)) == known


def test_nothing_is_left_of_an_erased_person_and_what_comes_late_changes_nothing(services_dir: Path) -> None:
    with running_stack(services_dir / "erase") as stack:
        stack.publish(
            as_source("settings", "settings", SETTINGS),
            *(as_source("audience", one["audience"], one) for one in AUDIENCES),
            *(as_source("journey", one["journey"], one) for one in JOURNEYS),
        )
        # The API looks once a second what is published.
        ask = {"authorization": f"Bearer {stack.token}"}
        assert eventually(lambda: _send(stack, "/v1/audiences/guests", None, ask) == 200)
        live_a_little(stack)
        assert eventually(lambda: settled(stack)), dump(stack)["delivery"]
        (profile,) = (
            ProfileId(str(found))
            for (found,) in stack.rows("SELECT profile_id FROM identifier WHERE value = %s", USER)
        )
        deliveries = {
            channel: DeliveryId(str(found))
            for channel, found in stack.rows(
                "SELECT channel, id FROM delivery WHERE profile_id = %s", profile
            )
        }
        words = (*WORDS, "anon-quillfeather", profile)
        places = {trace.partition(":")[0] for trace in traces(stack, words)}
        # What is looked for is there: a test that finds nothing before proves nothing after.
        assert places >= {
            f"table {table}"
            for table in (
                *("profile", "identifier", "event", "membership", "run", "timer", "delivery", "receipt"),
                *("decision", "consent", "subscription", "quarantine", "seen", "job"),
            )
        }

        with stack.api() as api:
            request = api.call("DELETE", f"/v1/profiles/user_id:{USER}")["request"]
        assert eventually(
            lambda: stack.count("SELECT count(*) FROM audit WHERE data ->> 'request' = %s", request) == 1
        )

        assert eventually(lambda: not stack.count("SELECT count(*) FROM inbox"))
        assert traces(stack, words) == []
        ((subject, rows),) = stack.rows("SELECT subject, data FROM audit WHERE action = 'erased'")
        assert subject.startswith("erased:")
        assert rows["rows"] == sum(rows["tables"].values()) > 20

        before = {name: text for name, text in dump(stack).items() if name not in ("seen", "heard")}
        assert tell_late(stack, deliveries, profile) == [204, 204, 204, 204, 200, 200]
        time.sleep(3)
        assert eventually(lambda: not stack.count("SELECT count(*) FROM inbox"))
        after = dump(stack)
        assert traces(stack, words) == []
        # A late no is kept where the others of this address are: under a keyed hash.
        veils = ("consent", "subscription", "suppression")
        assert {name for name, text in before.items() if after[name] != text} <= set(veils)
        assert all(line.count("erased:") == 1 for name in veils for line in after[name].splitlines() if line)
        # The others were left alone.
        assert stack.count("SELECT count(*) FROM profile") == 1
        assert "bystander" in after["identifier"]
        # And whoever comes with this address again is a stranger whose no still holds.
        with stack.events() as events, stack.api() as api:
            events.call("POST", "/v1/identify", {"userId": "again", "traits": {"email": MAIL}})
            assert eventually(
                lambda: stack.count("SELECT count(*) FROM identifier WHERE value = %s", MAIL) == 1
            )
            wanted = {"profile": "user_id:again", "channel": "email", "text": "Hi", "topic": "news"}
            sent = api.call("POST", "/v1/deliveries", wanted)["delivery_id"]
            assert eventually(
                lambda: (
                    stack.rows("SELECT reason FROM delivery WHERE id = %s", sent)
                    in ([("suppressed",)], [("unsubscribed",)])
                )
            )
