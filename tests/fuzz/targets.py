"""Targets: what is fuzzed, and what must hold whatever the bytes are."""

import json
import zlib
from collections.abc import Callable
from io import BytesIO
from urllib.parse import parse_qsl

from engage.api.answers import ApiError
from engage.api.auth import credential
from engage.api.bodies import unzipped
from engage.api.pixel import pixel_body
from engage.channels.registry import ChannelSettings, build_webhooks
from engage.channels.webhook_calls import _read as read_answer
from engage.channels.webhook_calls import answer_of
from engage.console.session import open_session, read_session
from engage.domain.expression import ExpressionError, Place, check_regex, compile_expression, compile_text
from engage.domain.fact import Kind, decode
from engage.domain.json_text import mended
from engage.domain.links.token import make_token, read_token
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake, Taken
from engage.engine.accept.requests import UnknownPersonError, person_named
from engage.engine.canonical.call import Origin, Refused, Unfit, read_item
from engage.engine.canonical.split import MAX_BODY, MalformedBodyError, TooManyEventsError, open_batch
from engage.engine.people.bring_in import Misfit
from engage.engine.people.consents import ConsentRows, SuppressionRows
from engage.engine.people.listfile import Format, ListFileError, read_rows
from engage.engine.people.profiles import Profiles
from engage.engine.receive import Receiver
from engage.ports.channel import Accepted, SignedRequest, Webhook
from engage.ports.clock import NoHints
from engage.ports.templating import Rendered, RenderRefused
from engage.project.load import load_source, read_scenarios
from engage.storage.coding import encode
from engage.templating import TemplateSource, compile_templates
from tests.domain.engine.house import House
from tests.fuzz import faces, played, seeds, twins
from tests.fuzz.target import Target, text_of, worded
from tests.templating.build import request


def _expression(data: bytes) -> None:
    place, text = list(Place)[data[0] % len(Place)] if data else Place.WAIT, text_of(data[1:])
    try:
        found = compile_expression(text, place)
    except ExpressionError as exc:
        worded(exc)
        return
    for scope in seeds.SCOPES:
        found.value(scope)
        found.truth(scope)
        found.seen(scope)
        if place is Place.WHEN:
            found.next_change(scope)


def _expression_text(data: bytes) -> None:
    try:
        found = compile_text(text_of(data))
    except ExpressionError as exc:
        worded(exc)
        return
    for scope in seeds.SCOPES:
        found.text(scope)


def _regex(data: bytes) -> None:
    try:
        check_regex(text_of(data))
    except ExpressionError as exc:
        worded(exc)


def _template(data: bytes) -> None:
    text = text_of(data)
    name = "email.mjml" if data[:5] == b"<mjml" else "email.html" if data[:1] == b"<" else "sms.txt"
    source = TemplateSource(name="t", files={name: text})
    templates, problems = compile_templates([source])
    assert all(problem.message for problem in problems)
    rendered = templates.render(request(entry=seeds.ENTRY, profile=seeds.PROFILE))
    assert isinstance(rendered, Rendered | RenderRefused)


def _yaml(kind: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        form, problems = load_source(kind, "n", text_of(data))
        assert form is not None or problems
        for problem in problems:
            assert str(problem)
            assert problem.line >= 1

    return read


def _scenario(data: bytes) -> None:
    found, problems = read_scenarios(text_of(data), "journeys/tests/n.yaml")
    assert found or problems
    assert all(map(str, problems))


class _Trusting:
    """A webhook whose signature is always good: what somebody with the key could send."""

    def __init__(self, webhook: Webhook) -> None:
        self.path, self.read = webhook.path, webhook.read

    def verify(self, request: SignedRequest) -> bool:
        del request
        return True


_HOOKS: list[Webhook] = [
    _Trusting(webhook)
    for webhook in build_webhooks(
        ChannelSettings(
            public_url="https://engage.example",
            account_sid="AC1",
            auth_tokens=("t",),
            sendgrid_public_keys=(seeds.PUBLIC_KEY,),
        )
    )
]


def _webhook(path: str, content_type: str) -> Callable[[bytes], None]:
    receiver = Receiver(_HOOKS)

    def read(data: bytes) -> None:
        query, _, body = data.partition(b"\n")
        asked = SignedRequest(
            method="POST",
            url=f"https://engage.example/webhooks/{path}",
            query=dict(parse_qsl(text_of(query), keep_blank_values=True)),
            headers={"content-type": content_type},
            body=body,
            received_at=seeds.NOW,
        )
        received = receiver.receive(path, asked)
        assert received is not None
        _digested(received.taken)

    return read


def _digested(taken: Taken) -> None:
    """Let the engine digest what was taken: nothing may be left, and nothing put aside by accident."""
    house = House(settings=seeds.SETTINGS)
    house.publish(*seeds.JOURNEYS)
    for piece in taken.pieces:
        decode(piece.fact.payload)
    Intake(house.store, NoHints()).store(taken)
    house.world.rest()
    work = house.store.look()
    assert not work.inbox.all()
    assert len(work.quarantine.all()) <= len(taken.quarantined) + len(taken.unplaced), [
        row.detail for row in work.quarantine.all()
    ]


_RULES = ProjectSettings.model_validate(seeds.SETTINGS)
_ACCEPTOR = Acceptor(lambda: _RULES)


def _batch(data: bytes) -> None:
    try:
        envelope = open_batch(data)
    except (MalformedBodyError, TooManyEventsError) as exc:
        worded(exc)
        return
    origin = Origin(source="shop", received_at=seeds.NOW, rules=_ACCEPTOR.rules())
    taken = _ACCEPTOR.batch(envelope, origin)
    assert len(taken.pieces) + len(taken.quarantined) == len(envelope.items)
    assert all(kept.detail for kept in taken.quarantined)
    _digested(taken)


def _pixel(data: bytes) -> None:
    body = pixel_body(data.replace(b"\n", b"&"))
    item = None if body is None else read_item(mended(body))
    if body is None or (isinstance(item, Refused) and item.reason is Unfit.MALFORMED):
        return
    origin = Origin(
        source="shop", received_at=seeds.NOW, kind=Kind.TRACK, browser=True, rules=_ACCEPTOR.rules()
    )
    _digested(_ACCEPTOR.call(mended(body), item, origin))


def _caller(data: bytes) -> None:
    key = credential(data)
    assert key is None or key
    try:
        named = person_named(text_of(data), _ACCEPTOR.rules())
    except UnknownPersonError as exc:
        worded(exc)
    else:
        assert named.value
        encode([named])


def _answer(data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    answered = answer_of(200, read_answer(body, text_of(kind)))
    assert isinstance(answered, Accepted)
    encode([answered.answer])


def _zipped(data: bytes) -> None:
    encoding, _, body = data.partition(b"\n")
    try:
        assert len(unzipped(body, encoding, MAX_BODY)) <= max(MAX_BODY, len(body))
    except ApiError as exc:
        worded(exc)


def _token(data: bytes) -> None:
    text = text_of(data)
    found = read_token(text, ["secret"])
    assert found is None or make_token(found, ["secret"])
    session = read_session(text, seeds.NOW, ["secret"])
    assert session is None or open_session(session.holder, seeds.NOW, ["secret"])


def _list_file(kind: Format) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        readers = (
            Profiles(_ACCEPTOR, "digest", seeds.NOW, typed=kind is Format.JSONL),
            ConsentRows(_RULES, "digest", seeds.NOW),
            SuppressionRows(_RULES, seeds.NOW),
        )
        try:
            for row in read_rows(BytesIO(data), kind):
                for reader in readers if row.problem is None else ():
                    try:
                        reader.read(row)
                    except Misfit as exc:
                        worded(exc)
        except ListFileError as exc:
            worded(exc)

    return read


_FORM = "application/x-www-form-urlencoded"
TARGETS = [
    Target(
        "expression",
        _expression,
        [bytes([n % len(Place)]) + e.encode() for n, e in enumerate(seeds.EXPRESSIONS)],
    ),
    Target("text", _expression_text, [f"Dear {{{{ {e} }}}}, hello".encode() for e in seeds.EXPRESSIONS]),
    Target("regex", _regex, [b"a+b*", rb"^[\w.]+@x\.(com|de)$", b"(?P<n>a)|b{2,3}"]),
    Target("template", _template, seeds.TEMPLATES),
    *(
        Target(f"yaml-{kind}", _yaml(kind), seeds.definitions(kind))
        for kind in ("journey", "audience", "trait", "settings", "law")
    ),
    Target(
        "yaml-template",
        _yaml("template"),
        [
            json.dumps(
                {"sms.txt": "Hi", "meta.yaml": "subject: a\n", "voice.yaml": "say: [{say: a}]"}
            ).encode()
        ],
    ),
    Target("yaml-scenario", _scenario, seeds.scenarios()),
    *(
        Target(f"twilio-{hook.path.rpartition('/')[2]}", _webhook(hook.path, _FORM), seeds.TWILIO)
        for hook in _HOOKS
        if hook.path.startswith("twilio/")
    ),
    Target("twilio-json", _webhook("twilio/status", "application/json"), seeds.TWILIO_JSON),
    Target("sendgrid-events", _webhook("sendgrid/events", "application/json"), seeds.SENDGRID),
    Target(
        "sendgrid-inbound", _webhook("sendgrid/inbound", "multipart/form-data; boundary=x"), seeds.MULTIPART
    ),
    Target("batch", _batch, seeds.BATCHES),
    Target(
        "zipped",
        _zipped,
        [b"gzip\n" + zlib.compress(b"{}", wbits=31), b"deflate\n" + zlib.compress(b"{}" * 99), b"\n{}"],
    ),
    Target("pixel", _pixel, seeds.PIXELS),
    Target("caller", _caller, seeds.CALLERS),
    Target("answer", _answer, seeds.ANSWERS),
    Target("token", _token, seeds.TOKENS),
    Target("csv", _list_file(Format.CSV), seeds.CSV),
    Target("jsonl", _list_file(Format.JSONL), seeds.JSONL),
    *faces.TARGETS,
    *twins.TARGETS,
    *played.TARGETS,
]
