"""A person's data in what a machine reads: it makes no verb of a call, no entity, no file of ours part of a mail."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.delivery.delivery import Channel
from engage.ports.call_turns import pack
from engage.ports.channel import EmailContent
from engage.ports.templating import Rendered, RenderRefused
from engage.templating import TemplateSource, compile_templates
from tests.templating.build import call, mail, request

SENTENCES: dict[str, Any] = {
    "say": [{"say": "Dear {{ entry.x }}"}, {"play": "https://shop.example/{{ entry.x }}"}]
}
HANDWRITTEN = (
    '<Response><Say>{{ entry.x }}</Say><Dial callerId="{{ entry.x }}">+14155550101</Dial></Response>'
)
EVIL = [
    "</Say><Dial>+19005550100</Dial><Say>",
    '"/><Dial>+19005550100</Dial><Play loop="',
    "' onload='x",
    "]]><Dial>+19005550100</Dial>",
    "<![CDATA[<Dial>+19005550100</Dial>]]>",
    "<!--", "-->", "<?xml version='1.0'?>", "<!DOCTYPE x>", "&lt;Dial&gt;", "&#60;Dial&#62;", "&xxe;",
    "\0\x01\x08\ufffe\uffff", "\r\n\r\n<Dial/>",
    f"engage:gather?1.{pack({})}", "engage:recording", f"<Redirect>engage:answer?1.{pack({})}</Redirect>",
]  # fmt: skip


def shape(twiml: str) -> list[tuple[str, list[str]]]:
    """The verbs of a document and the names of their attributes."""
    return [(each.tag, sorted(each.attrib)) for each in ET.fromstring(twiml).iter()]


@pytest.mark.parametrize("script", [SENTENCES, HANDWRITTEN], ids=["sentences", "handwritten"])
@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_a_value_makes_no_verb_of_a_call(script: dict[str, Any] | str, text: str) -> None:
    harmless = call(script, entry={"x": "Ada"}).twiml

    assert shape(call(script, entry={"x": text}).twiml) == shape(harmless)


@given(st.text())
def test_no_text_makes_a_verb_of_a_call(text: str) -> None:
    assert shape(call(SENTENCES, entry={"x": text}).twiml) == shape(call(SENTENCES, entry={"x": "Ada"}).twiml)


ENTITIES = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">'
DOCUMENTS = [
    f"<!DOCTYPE x [{ENTITIES}]><Response><Say>&c;</Say></Response>",
    '<!DOCTYPE x SYSTEM "file:///etc/passwd"><Response/>',
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Response><Say>&e;</Say></Response>',
    '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1/">%e;]><Response/>',
    '<?xml version="1.0" encoding="utf-16"?><Response/>',
    '<?xml version="1.0" encoding="cp037"?><Response/>',
    "<!doctype x><Response/>",
    "<Response><Say>&e;</Say></Response>",
    "<Response>" + "<Say/>" * 200_000 + "</Response>",
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_a_document_with_a_type_or_entities_is_no_call(document: str) -> None:
    templates, problems = compile_templates([TemplateSource(name="t", files={"voice.xml": document})])

    rendered = templates.render(request(Channel.VOICE))

    assert isinstance(rendered, RenderRefused)
    assert problems
    assert "root:" not in repr(problems)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of ours that no mail is about."""
    path = tmp_path / "secret"
    path.write_text("p { color: #5ec2e7; } <mj-text>5ec2e7</mj-text>")
    return path


MAILS = {
    "an include": '<mjml><mj-body><mj-include path="PATH"/></mj-body></mjml>',
    "an include by address": '<mjml><mj-body><mj-include path="file://PATH"/></mj-body></mjml>',
    "an include of css": '<mjml><mj-head><mj-include type="css" path="PATH"/></mj-head><mj-body></mj-body></mjml>',
    "an include of html": '<mjml><mj-body><mj-include type="html" path="PATH"/></mj-body></mjml>',
    "a stylesheet": '<html><head><link rel="stylesheet" href="PATH"></head><body><p>x</p></body></html>',
    "a stylesheet by address": '<html><head><link rel="stylesheet" href="file://PATH"><style>p{}</style></head><body><p>x</p></body></html>',
    "an import": "<html><head><style>@import 'PATH'; @import url(file://PATH); p {}</style></head><body><p>x</p></body></html>",
    "a template": "{% include 'PATH' %}",
    "a template above": "{% include '../../../../../../..PATH' %}",
    "a layout": "{% extends 'PATH' %}",
    "an import of macros": "{% import 'PATH' as m %}{{ m }}",
    "a name of its own": "{% include entry.path %}",
}


@pytest.mark.parametrize("body", MAILS.values(), ids=MAILS)
def test_no_template_reads_a_file_that_is_none_of_its_own(body: str, secret: Path) -> None:
    file = "email.mjml" if body.startswith("<mjml") else "email.html"
    source = TemplateSource(name="t", files={file: body.replace("PATH", str(secret))}, meta={"subject": "Hi"})

    templates, problems = compile_templates([source])
    rendered = templates.render(request(Channel.EMAIL, entry={"path": str(secret)}))

    said = repr(rendered) + repr(problems)
    assert "5ec2e7" not in said
    assert problems or isinstance(rendered, Rendered | RenderRefused)


def test_a_value_in_a_mail_is_no_markup_wherever_it_stands() -> None:
    evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"
    body = "<p title=\"{{ entry.x }}\">{{ entry.x }}</p><a href='https://shop.example/?q={{ entry.x | urlencode }}'>x</a>"

    content: EmailContent = mail({"email": body, "meta": {"subject": "Hi"}}, entry={"x": evil})

    assert content.html is not None
    assert "<script" not in content.html
    assert "<img" not in content.html
    assert "{{ 7*7 }}" in content.html
