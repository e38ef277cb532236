"""Signatures that neither the SDK nor we made: `openssl dgst -sha1 -hmac TOKEN -binary | base64` over what the vendor describes.

The text that is signed: the whole URL, then for a form each name and value, names sorted, of a repeated name the distinct values
sorted; of JSON the URL alone, which holds the body's SHA-256.
"""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from engage.channels.twilio_callbacks import TwilioSignature
from engage.ports.channel import SignedRequest

TOKEN = "6f1ed002ab5595859014ebf0951522d9"  # nobody's
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
PATH = "/webhooks/twilio/status?ref=0199a1b2-0000-7000-8000-0123456789ab&lane=7"
URL = f"https://hooks.shop.example{PATH}"
WITH_PORT = f"https://hooks.shop.example:8443{PATH}"
SENT = "MessageStatus=sent"
PLAIN, LINE, EMPTY = '{"a":1}', '{"a":"é"}\r\n', "{}"
HASHES = {
    PLAIN: "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
    LINE: "105256c84a3a54134a95b9131a4d117b0bb353294ec250b74734136038bcec56",
    EMPTY: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
}
VECTORS: dict[str, tuple[str, str, str]] = {
    "one field": (URL, SENT, "tKGvcTzgiuo3Q+Ke10RY0Lecrj4="),
    "blank values count": (URL, "MessageSid=SM1&Body=&MediaUrl0=", "DJ+/5Kz+4PPPPib5sQ2dP5tfbiI="),
    "names sorted, capitals first": (URL, "b=4&a=3&B=2&A=1", "WQ4dZQmWbziYZ5WiU4GlLc3bcYo="),
    "a repeated field": (URL, "Digits=2&To=x&Digits=1&Digits=2", "nRm7AKqHkv/kvdjQaY+u1jxcGS8="),
    "line ends in a value": (
        URL,
        "Body=line+one%0D%0Aline+two%0D%0A&From=%2B14155550101",
        "sAzOy/jfRicsZprA1Es80QG19Yk=",
    ),
    "letters beyond ASCII": (
        URL,
        "Body=Gr%C3%BC%C3%9Fe+%F0%9F%91%8B&From=Jos%C3%A9",
        "KjlWo0XtucQxwrWOm821OpwP2uE=",
    ),
    "a port, signed with it": (WITH_PORT, SENT, "fSUmdCrFNB0gib0N3osAEm/6D/Y="),
    "a port, signed without it": (WITH_PORT, SENT, "tKGvcTzgiuo3Q+Ke10RY0Lecrj4="),
    "no port, signed with 443": (URL, SENT, "hSYWjNF+rHc7QLvSUl7uVaBt9xM="),
    "no port, http, signed with 80": (URL.replace("https", "http"), SENT, "iG3n7MlZC2l1YNfM254sEuFpDAA="),
    "JSON": (f"{URL}&bodySHA256={HASHES[PLAIN]}", PLAIN, "Gqi29Nqpx/zzCk/ZyXAc34eAnxw="),
    "JSON that ends in CRLF": (
        f"{URL}&bodySHA256={HASHES[LINE]}",
        LINE,
        "BrlaGlnlfxGSXRLlt1hE/8+FTVg=",
    ),
    "JSON, an empty object": (f"{URL}&bodySHA256={HASHES[EMPTY]}", EMPTY, "7MyR6Zbp9+xMoAXLn1pzNm/Jdkg="),
}
NAMES = sorted(VECTORS)


def request(name: str) -> SignedRequest:
    url, body, signature = VECTORS[name]
    return SignedRequest(
        method="POST",
        url=url,
        query=dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
        headers={"content-type": JSON if "JSON" in name else FORM, "x-twilio-signature": signature},
        body=body.encode(),
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def good(request: SignedRequest, token: str = TOKEN) -> bool:
    return TwilioSignature((token,)).good(request)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_vendor_describes_verifies(name: str) -> None:
    assert good(request(name))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_nobody_elses_token(name: str) -> None:
    assert not good(request(name), TOKEN[::-1])


@pytest.mark.parametrize("name", NAMES)
def test_another_body_is_refused(name: str) -> None:
    there = request(name)
    others = [
        there.body + b"&More=1",
        there.body[:-1] + b"~",
        b"",
        there.body.replace(b"%0D%0A", b"%0A").replace(b"\r\n", b"\n") + b" ",
        there.body.replace(b"=", b"=x", 1).replace(b":", b": ", 1) + b"\n",
    ]
    for other in others:
        assert not good(replace(there, body=other))


@pytest.mark.parametrize("name", NAMES)
def test_another_address_is_refused(name: str) -> None:
    there = request(name)
    for url in (
        there.url.replace("lane=7", "lane=8"),
        there.url + "&more=1",
        there.url.replace("shop", "shap"),
    ):
        assert not good(replace(there, url=url))


@pytest.mark.parametrize("name", NAMES)
def test_every_letter_of_the_signature_counts(name: str) -> None:
    there = request(name)
    signature = there.headers["x-twilio-signature"]
    for place in range(len(signature) - 1):
        other = "A" if signature[place] != "A" else "B"
        changed = signature[:place] + other + signature[place + 1 :]
        assert not good(replace(there, headers={**there.headers, "x-twilio-signature": changed}))


def test_a_get_signs_its_url_alone() -> None:
    url = f"{URL}&CallStatus=ringing"
    signed = replace(
        request("one field"),
        method="GET",
        url=url,
        body=b"",
        headers={"x-twilio-signature": "s32s/9TFZ6MggS+zTwxsKFmJ5hU="},
    )

    assert good(signed)
    assert not good(replace(signed, url=url.replace("ringing", "busy")))


def test_json_is_not_made_a_form_by_its_header() -> None:
    there = request("JSON")

    assert not good(replace(there, headers={**there.headers, "content-type": FORM}))
