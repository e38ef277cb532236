"""Say-lists become TwiML; menus and machines travel in the document's own addresses."""

import base64
import json
import re
import zlib
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.channels.twilio_call_documents import CallDocuments
from engage.domain.delivery.delivery import Channel
from engage.domain.ids import DeliveryId
from engage.ports.templating import RenderRefused
from tests.templating.build import call, problems, published, request

SAMPLE: dict[str, Any] = {
    "voice": "Polly.Joanna-Neural",
    "machine": "detect",
    "say": [
        {
            "say": "Hello {{ profile.first_name | default('there') }}, your table is booked for {{ entry.time }}."
        },
        {
            "gather": {"digits": 1, "timeout": 6, "prompt": "Press 1 to confirm, 9 to stop these calls."},
            "on": {
                "1": [{"say": "Thank you, see you then."}],
                "2": [{"dial": "{{ secret('FRONT_DESK') }}"}],
                "9": [{"unsubscribe": True}, {"say": "You will not be called again."}],
            },
            "otherwise": [{"say": "We will send you a message instead."}],
        },
    ],
    "on_machine": [{"say": "This is Shop."}],
}


def turns(twiml: str) -> dict[str, dict[str, Any]]:
    """What the first address of a document carries."""
    found = re.search(r"engage:(?:gather|answer)\?\d+\.([\w-]+)", twiml)
    assert found
    packed = base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4))
    decoded: dict[str, dict[str, Any]] = json.loads(zlib.decompress(packed))
    return decoded


def inner(twiml: str) -> str:
    match = re.search(r"<Response>(.*)</Response>\Z", twiml)
    assert match
    Xml.fromstring(twiml)
    return match[1]


def test_the_sample_of_the_language_becomes_a_call() -> None:
    content = call(SAMPLE, entry={"time": "10:00"})

    assert content.machine == "detect"
    answer = turns(content.twiml)
    human, machine = answer["human"]["twiml"], answer["machine"]["twiml"]
    assert inner(machine) == '<Say voice="Polly.Joanna-Neural">This is Shop.</Say>'
    assert inner(human).startswith(
        '<Say voice="Polly.Joanna-Neural">Hello Ada, your table is booked for 10:00.</Say>'
        '<Gather input="dtmf" numDigits="1" timeout="6" action="engage:gather?0.'
    )
    assert inner(human).endswith(
        '<Say voice="Polly.Joanna-Neural">Press 1 to confirm, 9 to stop these calls.</Say></Gather>'
        '<Say voice="Polly.Joanna-Neural">We will send you a message instead.</Say>'
    )
    menu = turns(human)
    assert "Thank you" in menu["1"]["twiml"]
    assert inner(menu["2"]["twiml"]) == "<Dial>+15550001</Dial>"
    assert menu["9"]["unsubscribe"] is True
    assert "unsubscribe" not in menu["1"]
    assert "instead" in menu["otherwise"]["twiml"]


@pytest.mark.parametrize("machine", ["off", "detect", "voicemail"])
def test_a_call_says_how_it_meets_a_machine(machine: str) -> None:
    assert call({"machine": machine, "say": [{"say": "Hello"}]}).machine == machine


def test_the_channel_reads_what_the_template_wrote() -> None:
    documents = CallDocuments(["token"], "https://engage.example")
    delivery = DeliveryId("0199a1b2-0000-7000-8000-0123456789ab")

    url = documents.answer_url(call(SAMPLE, entry={"time": "10:00"}).twiml, delivery, 7)

    assert url is not None
    found = documents.turns(url.partition("then=")[2].partition("#")[0])
    human = documents.with_urls(found["human"].twiml, delivery, 7)
    assert set(found) == {"human", "machine"}
    assert "engage:" not in human
    Xml.fromstring(human)


def test_a_call_goes_on_after_a_menu_with_what_follows_it() -> None:
    twiml = call({"say": [{"gather": {"digits": 1}, "on": {"1": [{"say": "one"}]}}, {"say": "after"}]}).twiml

    menu = turns(twiml)

    assert inner(menu["1"]["twiml"]) == "<Say>one</Say><Say>after</Say>"
    assert inner(menu["otherwise"]["twiml"]) == "<Say>after</Say>"
    assert inner(twiml).endswith("</Gather><Say>after</Say>")


def test_the_small_verbs() -> None:
    twiml = call({"say": [{"pause": 2}, {"play": "https://x/a.mp3?a=1&b=2"}, {"hangup": True}]}).twiml

    assert inner(twiml) == '<Pause length="2"/><Play>https://x/a.mp3?a=1&amp;b=2</Play><Hangup/>'


def test_each_sentence_may_have_a_voice_of_its_own() -> None:
    twiml = call(
        {
            "voice": "Polly.Joanna-Neural",
            "language": "en-US",
            "say": [
                {"say": {"text": "Bonjour & salut", "voice": "Polly.Lea-Neural", "language": "fr-FR"}},
                {"say": {"text": "Hi", "loop": 2}},
                {"play": {"url": "https://x/a.mp3", "loop": 3}},
            ],
        }
    ).twiml

    assert inner(twiml) == (
        '<Say voice="Polly.Lea-Neural" language="fr-FR">Bonjour &amp; salut</Say>'
        '<Say voice="Polly.Joanna-Neural" language="en-US" loop="2">Hi</Say>'
        '<Play loop="3">https://x/a.mp3</Play>'
    )


def test_markup_for_the_voice_stays_and_values_in_it_are_escaped() -> None:
    source = {
        "voice": "Polly.Joanna-Neural",
        "say": [{"say": {"ssml": "Hello <break time='300ms'/> <emphasis>{{ entry.x }}</emphasis>"}}],
    }

    twiml = call(source, entry={"x": "<Ada> & 'co'"}).twiml

    said = Xml.fromstring(twiml)[0]
    assert [child.tag for child in said] == ["break", "emphasis"]
    assert said[1].text == "<Ada> & 'co'"


@pytest.mark.parametrize(
    ("say", "message"),
    [
        ({"ssml": "<b>Hi</b>"}, "no voice knows <b>"),
        ({"ssml": "<s>Hi"}, "not well-formed"),
        ({"ssml": "Hi", "voice": "alice"}, "this voice knows no markup"),
        ({"ssml": "Hi", "text": "Hi"}, "only one of them"),
        ({"text": "Hi", "voice": "Joanna"}, "`Joanna` is no voice"),
    ],
)
def test_markup_that_no_voice_could_speak_is_refused_at_publish(say: dict[str, str], message: str) -> None:
    found = problems({"voice": {"voice": "Polly.Joanna-Neural", "say": [{"say": say}]}})

    assert any(message in str(problem) for problem in found)


def test_words_are_listened_for_with_the_branches_as_hints() -> None:
    twiml = call(
        {
            "say": [
                {
                    "gather": {"digits": 1, "speech": True, "language": "en-GB"},
                    "on": {"1, yes, of course": [], "no": []},
                }
            ]
        }
    ).twiml

    assert (
        '<Gather input="dtmf speech" numDigits="1" timeout="5" speechTimeout="auto" language="en-GB" hints="yes,of course,no"'
        in twiml
    )
    assert turns(twiml)["1"]["also"] == ["yes", "of course"]


def test_words_without_listening_are_a_mistake() -> None:
    found = problems({"voice": {"say": [{"gather": {}, "on": {"yes": []}}]}})

    assert any("for words add `speech: true`" in str(problem) for problem in found)


def test_a_menu_asks_again_as_often_as_it_says() -> None:
    twiml = call(
        {
            "say": [
                {
                    "gather": {"times": 3, "prompt": "1?"},
                    "on": {"1": [{"say": "one"}]},
                    "otherwise": [{"say": "bye"}],
                },
                {"say": "after"},
            ]
        }
    ).twiml

    asked = 0
    while "<Gather" in twiml:
        asked += 1
        if asked < 3:
            assert 'actionOnEmptyResult="true"' in twiml
            assert "bye" not in inner(twiml)
        assert "one" in turns(twiml)["1"]["twiml"]
        last, twiml = twiml, turns(twiml)["otherwise"]["twiml"]
    assert asked == 3
    assert inner(last).endswith("</Gather><Say>bye</Say><Say>after</Say>")
    assert inner(twiml) == "<Say>bye</Say><Say>after</Say>"


def test_a_dialled_number_may_lead_on() -> None:
    source = {
        "say": [
            {
                "dial": {"to": "+15005550100", "timeout": 20, "caller_id": "+15005550006"},
                "on": {"busy": [{"say": "busy"}]},
                "otherwise": [{"say": "other"}],
            },
            {"say": "after"},
        ]
    }

    twiml = call(source).twiml

    assert inner(twiml).startswith('<Dial timeout="20" callerId="+15005550006" action="engage:gather?0.')
    assert inner(twiml).endswith(">+15005550100</Dial>")
    assert inner(turns(twiml)["busy"]["twiml"]) == "<Say>busy</Say><Say>after</Say>"
    assert inner(turns(twiml)["otherwise"]["twiml"]) == "<Say>other</Say><Say>after</Say>"


def test_sip_and_client_addresses_are_dialled_as_such() -> None:
    assert (
        inner(call({"say": [{"dial": "sip:desk@shop.example"}]}).twiml)
        == "<Dial><Sip>sip:desk@shop.example</Sip></Dial>"
    )
    assert inner(call({"say": [{"dial": "client:desk"}]}).twiml) == "<Dial><Client>desk</Client></Dial>"


def test_a_caller_is_put_before_an_agent() -> None:
    workflow = "WW" + "a" * 32

    twiml = call(
        {"say": [{"agent": {"workflow": workflow, "attributes": {"name": "{{ entry.x }}"}}}]},
        entry={"x": "<A&B>"},
    ).twiml

    queued = Xml.fromstring(twiml)[0]
    assert (queued.tag, queued.get("workflowSid")) == ("Enqueue", workflow)
    assert json.loads(queued[0].text or "") == {"name": "<A&B>"}


@pytest.mark.parametrize("source", ["<Response><Say>Hi</Response>", "<Reply/>", "<!DOCTYPE x><Response/>"])
def test_a_handwritten_document_that_is_none_is_refused_at_publish(source: str) -> None:
    assert problems({"voice": source})


def test_a_handwritten_document_broken_by_a_value_is_refused_for_this_person() -> None:
    source = "<Response><Say>{{ entry.x | safe }}</Say></Response>"

    rendered = published({"voice": source}).render(request(Channel.VOICE, entry={"x": "<b>"}))

    assert isinstance(rendered, RenderRefused)
    assert "not well-formed" in rendered.detail


def test_a_recording_is_followed_by_the_rest() -> None:
    twiml = call({"say": [{"record": {"seconds": 30}}, {"say": "Bye"}]}).twiml

    assert inner(twiml).startswith(
        '<Record maxLength="30" timeout="5" finishOnKey="#" playBeep="true" action="engage:'
    )
    assert 'recordingStatusCallback="engage:recording"/>' in twiml
    assert inner(turns(twiml)["otherwise"]["twiml"]) == "<Say>Bye</Say>"
    assert "Bye" not in twiml


def test_a_handwritten_document_is_rendered_and_escaped() -> None:
    source = '<?xml version="1.0"?><Response><Say>{{ entry.x }}</Say></Response>'

    assert inner(call(source, entry={"x": "a & <b>\x00"}).twiml) == "<Say>a &amp; &lt;b&gt;</Say>"


@given(st.text(max_size=50))
def test_any_spoken_text_gives_readable_xml(spoken: str) -> None:
    Xml.fromstring(call({"say": [{"say": "{{ entry.x }}"}]}, entry={"x": spoken}).twiml)


def test_an_inline_text_is_said() -> None:
    rendered = published({"sms": "x"}).render(
        request(Channel.VOICE, template=None, text="Hi & {{ profile.first_name }}")
    )

    assert not isinstance(rendered, RenderRefused)
    assert inner(getattr(rendered.content, "twiml", "")) == "<Say>Hi &amp; Ada</Say>"


def test_a_missing_value_in_a_branch_refuses_the_call_before_it_is_made() -> None:
    source = {"say": [{"gather": {}, "on": {"1": [{"say": "{{ entry.gone }}"}]}}]}

    rendered = published({"voice": source}).render(request(Channel.VOICE))

    assert isinstance(rendered, RenderRefused)
    assert "voice.yaml: say.0.on.1.0.say:1: `entry.gone` is missing" in rendered.detail


def test_an_unknown_secret_refuses_the_call() -> None:
    rendered = published({"voice": {"say": [{"dial": "{{ secret('NOPE') }}"}]}}).render(
        request(Channel.VOICE)
    )

    assert isinstance(rendered, RenderRefused)
    assert "no secret `NOPE`" in rendered.detail


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "`say` is missing"),
        ({"say": "Hi"}, "a list was expected"),
        ({"say": [{"sya": "Hi"}]}, "did you mean `say`?"),
        ({"say": [{"say": "a", "pause": 1}]}, "exactly one verb"),
        ({"say": [{"say": 5}]}, "a text was expected"),
        ({"say": [{"say": "{{ secret('X') }}"}]}, "`secret` may be used in `dial` only"),
        ({"say": [{"pause": 0}]}, "from 1 to 60"),
        ({"say": [{"pause": True}]}, "from 1 to 60"),
        ({"say": [{"unsubscribe": True}]}, "put it into a branch"),
        ({"say": [{"hangup": False}]}, "`true` only"),
        ({"say": [{"say": "x", "on": {}}]}, "belong to a `gather`"),
        ({"say": [{"gather": {"digits": 1}, "on": {"x": []}}]}, "are no digits"),
        ({"say": [{"gather": {"digit": 1}}]}, "did you mean `digits`?"),
        ({"say": [], "machine": "maybe"}, "`maybe` is not known"),
        ({"say": [], "on_machine": [{"say": "x"}]}, "nothing detects machines"),
        ({"say": [], "voise": "x"}, "did you mean `voice`?"),
        ([], "a mapping was expected"),
        ({"say": [{"say": "{{ profil.x }}"}]}, "voice.yaml:1:1: say.0.say: `profil` is not known"),
    ],
)
def test_a_mistake_is_found_at_publish(document: Any, says: str) -> None:
    found = problems({"voice": document})

    assert any(says in problem for problem in found), found


def test_menus_within_menus_are_bounded() -> None:
    document: list[Any] = [{"say": "x" * 200}]
    for _ in range(9):
        document = [
            {"gather": {"digits": 1}, "on": {str(digit): document for digit in range(2)}},
            {"say": "y" * 200},
        ]

    rendered = published({"voice": {"say": document}}).render(request(Channel.VOICE))

    assert isinstance(rendered, RenderRefused)


_documents = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 100) | st.text(max_size=5),
    lambda nested: (
        st.lists(nested, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "say",
                    "gather",
                    "on",
                    "otherwise",
                    "pause",
                    "dial",
                    "1",
                    "digits",
                    "machine",
                    "on_machine",
                    "voice",
                ]
            ),
            nested,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_documents)
def test_any_document_compiles_or_is_a_mistake(document: Any) -> None:
    if document is None or isinstance(document, str):
        return
    found = problems({"voice": document})

    if not found:
        published({"voice": document}).render(request(Channel.VOICE))
