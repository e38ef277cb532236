"""Twilio's published signature vectors, and what must not pass."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from engage.channels.twilio_callbacks import TwilioSignature, parse_form
from engage.ports.channel import SignedRequest

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
JSON_HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
PLAIN = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def request(
    url: str = URL,
    signature: str | None = PLAIN,
    body: bytes | None = None,
    content_type: str = "application/x-www-form-urlencoded",
    method: str = "POST",
) -> SignedRequest:
    headers = {"content-type": content_type}
    if signature is not None:
        headers["x-twilio-signature"] = signature
    return SignedRequest(
        method=method,
        url=url,
        query=dict(parse_qsl(url.partition("?")[2], keep_blank_values=True)),
        headers=headers,
        body=urlencode(FORM).encode() if body is None else body,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def good(signed: SignedRequest, *tokens: str) -> bool:
    return TwilioSignature(tokens or (TOKEN,)).good(signed)


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (URL, PLAIN),
        (URL.replace(".com", ".com:1234"), PLAIN),
        (URL.replace("https", "http").replace(".com", ".com:1234"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (URL.replace("mycompany", "user:pass@mycompany"), "CukzLTc1tT5dXEDIHm/tKBanW10="),
    ],
)
def test_twilios_vectors_verify_with_and_without_ports(url: str, signature: str) -> None:
    assert good(request(url, signature))


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (
            b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (
            b"MessagingBinding.Address=%2B1415xxxxxxx&MessagingBinding.Address=%2B1325xxxxxxx",
            "83O6e2vORAoJHUNzJjDWN1jz+BA=",
        ),
    ],
)
def test_repeated_fields_verify_in_any_order(body: bytes, signature: str) -> None:
    assert good(request(signature=signature, body=body))


def test_a_json_body_verifies_by_its_hash() -> None:
    url = f"{URL}&bodySHA256={JSON_HASH}"
    body = b'{"property": "value", "boolean": true}'

    signed = request(url, "a9nBmqA0ju/hNViExpshrM61xv4=", body, "application/json")

    assert good(signed)


@pytest.mark.parametrize("body", [b'{"property": "other"}', b"", b"\xff\xfe"])
def test_another_json_body_under_a_recorded_signature_is_refused(body: bytes) -> None:
    url = f"{URL}&bodySHA256={JSON_HASH}"

    assert not good(request(url, "a9nBmqA0ju/hNViExpshrM61xv4=", body, "application/json"))


def test_a_json_body_that_no_hash_ties_to_the_signature_is_refused() -> None:
    signature = RequestValidator(TOKEN).compute_signature(URL, {})

    assert not good(request(URL, signature, b"{}", "application/json"))


def test_a_get_signs_its_url_alone() -> None:
    signature = RequestValidator(TOKEN).compute_signature(URL, {})

    assert good(request(URL, signature, b"", method="GET"))


def test_both_tokens_verify_while_they_are_rotated() -> None:
    assert good(request(), "new-token", TOKEN)
    assert not good(request(), "new-token")


def test_a_signature_by_the_sha256_setting_verifies() -> None:
    signature = RequestValidator("shared").compute_signature(URL, dict(FORM), "HMAC_SHA256")
    signed = request(signature=signature)
    headers = {
        **signed.headers,
        "x-twilio-webhooks-signature-settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
    }

    assert good(
        SignedRequest(
            method="POST",
            url=URL,
            query=signed.query,
            headers=headers,
            body=signed.body,
            received_at=signed.received_at,
        ),
        TOKEN,
        "shared",
    )


@pytest.mark.parametrize(
    "forged",
    [
        request(signature=None),
        request(signature=""),
        request(signature="ünsigned"),
        request(signature=PLAIN[:-1]),
        request(signature="x" * 5000),
        request(URL + "&more=1"),
        request(body=urlencode([*FORM, ("Digits", "9")]).encode()),
        request(body=b""),
        request("https://mycompany.com:notaport/myapp.php"),
        request("https://[broken/"),
        request(body=b"&".join(b"a=b" for _ in range(5000))),
    ],
)
def test_everything_else_is_refused_without_an_exception(forged: SignedRequest) -> None:
    assert not good(forged)


def test_without_a_token_nothing_verifies() -> None:
    assert not TwilioSignature(("",)).good(request(signature=RequestValidator("").compute_signature(URL, {})))


@given(
    body=st.binary(max_size=200),
    signature=st.text(max_size=40),
    url=st.text(max_size=60),
    kind=st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""]),
)
def test_verifying_never_raises(body: bytes, signature: str, url: str, kind: str) -> None:
    signed = SignedRequest(
        method="POST",
        url=url,
        query={"bodySHA256": "x"},
        headers={"x-twilio-signature": signature, "content-type": kind},
        body=body,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )

    assert not good(signed)


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=20))
def test_a_form_is_parsed_as_the_standard_library_does(
    pairs: list[tuple[str, str]],
) -> None:
    pairs = [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode())
        for name, value in pairs
    ]

    assert list(parse_form(urlencode(pairs).encode())) == pairs


@given(st.lists(st.tuples(st.text("abc+ %é", min_size=1), st.text("abc+ &=é")), max_size=8))
def test_the_quick_check_agrees_with_the_sdk(pairs: list[tuple[str, str]]) -> None:
    class Fields(dict[str, list[str]]):
        def getlist(self, name: str) -> list[str]:
            return self[name]

    fields = Fields()
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    signature = RequestValidator(TOKEN).compute_signature(URL, fields)

    checker = TwilioSignature((TOKEN,))

    assert checker._quick(URL, pairs, signature.encode())
