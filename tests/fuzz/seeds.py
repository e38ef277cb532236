"""Seeds: where the search begins, and the data that expressions and templates are tried on."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from engage.channels.sendgrid_email import LANE, REF
from engage.console.session import open_session
from engage.domain.delivery.delivery import Channel
from engage.domain.expression import MapHistory, PastEvent, Scope
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.links.token import Preferences, Viewed, make_token

REPOSITORY = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = "01a20df6-bafd-7c22-b69a-c9b82ad9d8c8"
PUBLIC_KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEVtxjQMVGMtMJZVr2r1Vqfebts7dmVqBGirAOGA3NPn6R23NsYPM+R6+LvK8JJ69sStsJk9TYoO0DK+XR5Fa06g=="
ENTRY: dict[str, Any] = {
    "a": 1,
    "n": Decimal("1E+400"),
    "t": "x" * 50,
    "l": [1, "a", None, {"b": 2}],
    "o": {"deep": {"er": [1]}},
    "at": "2026-03-01T10:00:00Z",
}
PROFILE: dict[str, Any] = {"first_name": "Ada", "age": 36, "tags": ["a", "b"], "zero": 0}
SCOPES = (
    Scope(now=NOW),
    Scope(
        now=NOW,
        profile=PROFILE,
        profile_ids={"id": "p", "user_id": "u"},
        event=ENTRY,
        entry=ENTRY,
        entry_event="Cart",
        run={"key": "k", "entered_at": NOW},
        given={"code": "X"},
        history=MapHistory(
            PastEvent(name="Cart", timestamp=NOW - timedelta(days=n), properties=ENTRY, arrival=n)
            for n in range(3)
        ),
        bucket_key="key",
    ),
)
SETTINGS: dict[str, Any] = {
    "quiet_hours": "off",
    "topics": {"news": {"email": "opt_out", "sms": "opt_out"}, "codes": {"transactional": True}},
    "identity": {"identifiers": {"loyalty_id": {"limit": 1}}},
}
JOURNEYS: list[dict[str, Any]] = [
    {
        "journey": "cart",
        "trigger": {"event": "Cart", "key": "event.order"},
        "entry": {"where": "entry.total >= 0 or profile.age > 3", "reentry": "always"},
        "exit_when": [{"event": "Bought", "where": "event.order == entry.order"}],
        "steps": [
            {"set": {"seen": "{{ entry.total }}"}},
            {"sms": {"text": "Dear {{ profile.first_name }} {{ entry.order }}", "topic": "news"}, "id": "s"},
            {"wait_for": {"step": "s", "status": "delivered", "timeout": "1 day"}},
        ],
    },
    {
        "audience": "buyers",
        "where": "count('Cart') > 1 and sum('Cart', 'total') > 5 and last('Cart', 'at') | date < ago('1 hour')",
    },
]
EXPRESSIONS = (
    "entry.a > 1 and profile.first_name == 'Ada'",
    "count('Cart', within='7 days') >= 2 or did('Bought')",
    "profile.tags is containing('a') and not (entry.o.deep.er[0] in [1, 2])",
    "(entry.at | date) < now - '1 day'",
    "entry.t is matching('^x+$')",
    "sum('Cart', 'a', where=event.a > 0) / 3 * -2.5 % 7",
    "last('Cart', 'at') | default('2020-01-01') | date > ago('3 months')",
    "profile.age | round(2) | string | upper | length",
    "in_audience('vip') and subscribed('sms', 'news')",
    "sequence('A', step('B', within='1 hour'))",
    "entry.l | map('b') | first is present",
    "'a' ~ 'b' if entry.a else none",
)
TEMPLATES = [
    b"Dear {{ profile.first_name | default('you') }}, {% for x in entry.l %}{{ loop.index }}{{ x }}{% endfor %}",
    b"{% if entry.a > 1 %}a{% elif profile.zero %}b{% else %}c{% endif %}{% set q = 3 %}{{ q * 2 }}",
    b"{% macro m(a) %}{{ a | upper }}{% endmacro %}{{ m('x') }}{{ now | strftime('%Y') }}",
    b"<p>{{ entry.t | e }}</p><a href='{{ preferences_url }}'>{{ link('https://a.example') }}</a>",
    b"<mjml><mj-body><mj-section><mj-text>{{ entry.a }}</mj-text></mj-section></mj-body></mjml>",
    (
        b"<mjml><mj-head><mj-style>p { color: red }</mj-style><mj-attributes><mj-all padding='0' /></mj-attributes></mj-head><mj-body>"
        b"{% for x in entry.l %}<mj-section><mj-column width='50%'><mj-image src='{{ x }}' alt='' /><mj-button href='a'>b</mj-button>"
        b"<mj-raw><!--[if mso]><b>x</b><![endif]--></mj-raw></mj-column></mj-section>{% endfor %}</mj-body></mjml>"
    ),
    b"<style>p { color: red } @media (max-width: 9px) { td { width: 1px } }</style><table>{% for x in entry.l %}<tr><td>{{ x }}</td></tr>{% endfor %}</table>",
]
TWILIO = [
    f"ref={ID}&lane=3\nMessageSid=SM1&MessageStatus=delivered&AccountSid=AC1&To=%2B14155550101".encode(),
    b"\nMessageSid=SM2&AccountSid=AC1&From=%2B14155550101&To=%2B15005550006&Body=STOP&NumMedia=0&OptOutType=STOP",
    f"ref={ID}&lane=3&then=2&n=1\nCallSid=CA1&AccountSid=AC1&CallStatus=completed&Digits=12%23&CallDuration=3".encode(),
    f"ref={ID}&lane=3\nCallSid=CA1&AccountSid=AC1&AnsweredBy=machine_end_beep&RecordingUrl=https://a.example/r&ErrorCode=30007".encode(),
    b"\nEventType=task.completed&TaskAttributes=%7B%22ref%22%3A%22a%22%7D&AccountSid=AC1&Timestamp=1700000000",
]
TWILIO_JSON = [
    f"ref={ID}&lane=3\n".encode() + json.dumps({"MessageSid": "SM1", "MessageStatus": "sent"}).encode()
]
SENDGRID = [
    b"\n"
    + json.dumps(
        [
            {
                "event": kind,
                "ref": ID,
                "lane": "3",
                "sg_event_id": f"e{kind}",
                "timestamp": 1772366400,
                "email": "a@b.example",
            }
            | {
                "reason": "550",
                "status": "5.1.1",
                "type": "bounce",
                "url": "https://a.example",
                "sg_message_id": "m.1",
            }
            for kind in (
                "delivered",
                "open",
                "click",
                "bounce",
                "dropped",
                "spamreport",
                "unsubscribe",
                "deferred",
            )
        ]
    ).encode()
]
SENDGRID += [SENDGRID[0].replace(b'"ref"', f'"{REF}"'.encode()).replace(b'"lane"', f'"{LANE}"'.encode())]
SENDGRID += [seed.replace(b"550", rb"a\u0000b").replace(b'bounce"', rb'bou\u0000"') for seed in SENDGRID]
SENDGRID += [
    SENDGRID[0].replace(b"550", rb"\ud800").replace(b'bounce"', rb'\udfff"').replace(b"m.1", rb"\ud800")
]
MULTIPART = [
    (
        b'\n--x\r\nContent-Disposition: form-data; name="from"\r\n\r\nAda <ada@b.example>\r\n--x\r\nContent-Disposition: form-data; name="to"\r\n\r\n'
        b'shop@b.example\r\n--x\r\nContent-Disposition: form-data; name="subject"\r\n\r\nRe: hi\r\n--x\r\nContent-Disposition: form-data; '
        b'name="text"\r\n\r\nunsubscribe\r\n--x\r\nContent-Disposition: form-data; name="headers"\r\n\r\nMessage-ID: <1@b>\r\nDate: x\r\n'
        b'--x\r\nContent-Disposition: form-data; name="attachment1"; filename="../a.txt"\r\nContent-Type: text/plain\r\n\r\nA\r\n--x--\r\n'
    )
]
MULTIPART += [
    MULTIPART[0].replace(b"Re: hi", b"Re:\0hi").replace(b"unsubscribe", b"a\0b").replace(b"Ada <", b"A\0da <")
]
MULTIPART += [
    MULTIPART[0]
    .replace(b'name="subject"', b'name="charsets"')
    .replace(b"Re: hi", rb'{"text": "unicode_escape"}')
    .replace(b"unsubscribe", rb"\ud800x"),
    MULTIPART[0]
    .replace(b'name="subject"', b'name="envelope"')
    .replace(b"Re: hi", rb'{"from": "a\u0000@b.c", "to": ["\ud800"]}'),
    MULTIPART[0]
    .replace(b'name="text"', b'name="email"')
    .replace(b"unsubscribe", b"From: a@b.c\nSubject: =?utf-8?q?a=00?=\nContent-Type: text/html\n\n<b>x</b>"),
]
BATCHES = [
    json.dumps(
        {
            "batch": [
                {
                    "type": "identify",
                    "userId": "ada",
                    "traits": {"email": "a@b.example", "phone": "+14155550101"},
                    "messageId": "1",
                },
                {
                    "type": "track",
                    "userId": "ada",
                    "event": "Cart",
                    "properties": {"total": 10.5, "order": "o"},
                    "messageId": "2",
                },
                {"type": "alias", "userId": "ada", "previousId": "x", "timestamp": "2026-02-28T12:00:00Z"},
                {"type": "group", "anonymousId": "x", "groupId": "g", "traits": {}},
                {"type": "page", "anonymousId": "x", "name": "Home", "context": {"traits": {"age": 3}}},
                {
                    "type": "identify",
                    "userId": "b",
                    "context": {
                        "messaging_subscriptions": [
                            {"key": "a@b.example", "type": "EMAIL", "status": "UNSUBSCRIBED"}
                        ]
                    },
                },
                {
                    "type": "track",
                    "event": "Cart",
                    "context": {
                        "externalIds": [
                            {"id": "9", "type": "loyalty_id", "collection": "users", "encoding": "none"}
                        ]
                    },
                },
            ],
            "sentAt": "2026-03-01T12:00:00Z",
            "context": {"ip": "127.0.0.1"},
        }
    ).encode(),
    b'{"batch":[{"type":"track","userId":"a","event":"Cart","properties":{"total":1e400,"order":1E-999999999}}]}',
]
PIXELS = [
    b"userId=ada&event=Cart&properties.total=10.5&properties.order=o&writeKey=shop&context.ip=127.0.0.1",
    b"data=eyJ1c2VySWQiOiJhZGEiLCJldmVudCI6IkNhcnQiLCJwcm9wZXJ0aWVzIjp7InRvdGFsIjoxMC41fX0",
    b'data={"anonymousId":"x","event":"Cart","properties":{"total":1e400}}',
    b"a.a.a.a=1&a=2&a.a=%00&userId=%ff%fe",
]
CALLERS = [
    b"Basic c2hvcDo=",
    b"Bearer et_abc",
    b"user_id:ada",
    b"email:Ada@B.example",
    b"phone:+1 (415) 555-0101",
    b"loyalty_id:9",
    b"anonymous_id:\x00",
]
ANSWERS = [
    b'application/json\n{"a": [1, 1e400, -1E-999999999, true, null, "x\\u0000y"], "\\u0000": {"b": 1}}',
    b'application/json\n{"n": ' + b"9" * 400 + b', "s": "\\ud800"}',
    b"text/html; charset=utf-8\n<p>\x00\xff</p>",
    b"application/json\n" + b"[" * 2000,
]
TOKENS = [
    make_token(
        Preferences(
            channel=Channel.EMAIL,
            address="a@b.example",
            topic="news",
            profile=ProfileId(ID),
            delivery=DeliveryId(ID),
        ),
        ["secret"],
    ).encode(),
    make_token(Viewed(delivery=DeliveryId(ID)), ["secret"]).encode(),
    open_session("user:a@b.example", NOW, ["secret"]).encode(),
]
CSV = [
    b'user_id,email,phone,first_name,age,vip\nada,a@b.example,+14155550101,Ada,36,true\n"b",,,"x\ny",=1+1,\n',
    b"address;channel;topic;state;at;source;proof\na@b.example;email;news;unsubscribed;2026-01-01T00:00:00Z;crm;x\n",
    b"address\tchannel\treason\n+14155550101\tsms\tbounced\n",
    b"\xef\xbb\xbfemail,email_subscription_status\na@b.example,UNSUBSCRIBED\n",
]
JSONL = [
    b'{"user_id": "ada", "traits": {"email": "a@b.example", "n": 1e999}, "ids": ["loyalty_id:9"]}\n{"email": "b@c.example", "age": 3}\n',
    b'{"profile": "user_id:ada", "channel": "email", "topic": "news", "state": "subscribed"}\n[]\n\n"x"\n',
]


def definitions(kind: str) -> Iterator[bytes]:
    """Yield the sample shop's definitions of a kind."""
    places = {
        "journey": "*.yaml",
        "audience": "audiences/*.yaml",
        "trait": "traits/*.yaml",
        "settings": "settings.yaml",
        "law": "*.yaml",
    }
    folder = "engage/project/law_packs" if kind == "law" else "journeys"
    for path in sorted((REPOSITORY / folder).glob(places[kind])):
        if kind == "settings" or path.name != "settings.yaml":
            yield path.read_bytes()


def scenarios() -> Iterator[bytes]:
    """Yield the sample shop's scenarios."""
    for path in sorted((REPOSITORY / "journeys/tests").glob("*.yaml"))[:6]:
        yield path.read_bytes()
