"""The side products through the SDK: tasks, interactions, conversations, verification, lookup, content."""

from __future__ import annotations

import json

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.sandbox.twin import ACCOUNT, PERSON, TOKEN, Receiver, Twin, wait_until

WORKSPACE, WORKFLOW, VERIFY = "WS" + "1" * 32, "WW" + "1" * 32, "VA" + "1" * 32


@pytest.fixture
def client(twin: Twin) -> Client:
    for product in ("taskrouter", "flex_api", "conversations", "verify", "lookups", "content"):
        getattr(twin.client, product).base_url = twin.url
    return twin.client


def test_a_task_is_created_found_by_its_attribute_and_completed(twin: Twin, client: Client) -> None:
    tasks = client.taskrouter.v1.workspaces(WORKSPACE).tasks
    task = tasks.create(attributes='{"engage_ref": "r1"}', workflow_sid=WORKFLOW, priority=5)

    assert (task.sid[:2], task.assignment_status, task.priority) == ("WT", "pending", 5)
    assert [t.sid for t in tasks.list(evaluate_task_attributes="engage_ref == 'r1'")] == [task.sid]
    assert tasks.list(evaluate_task_attributes="engage_ref == 'r2'") == []
    assert tasks(task.sid).update(assignment_status="completed").assignment_status == "completed"
    assert twin.get("records", kind="tasks")["records"]["tasks"][0]["workflow_sid"] == WORKFLOW


def test_an_interaction_makes_a_task(client: Client) -> None:
    interaction = client.flex_api.v1.interaction.create(
        channel={"type": "sms", "initiated_by": "api"}, routing={"properties": {"workspace_sid": WORKSPACE}}
    )

    assert interaction.sid.startswith("KD")
    assert interaction.channel["sid"].startswith("UO")
    assert interaction.routing["properties"]["sid"].startswith("WT")


def test_a_conversation_is_unique_by_name_and_takes_messages(client: Client) -> None:
    conversations = client.conversations.v1.conversations
    conversation = conversations.create(unique_name="order-7")
    with pytest.raises(TwilioRestException) as refusal:
        conversations.create(unique_name="order-7")

    participant = conversations("order-7").participants.create(messaging_binding_address=PERSON)
    message = conversations(conversation.sid).messages.create(author="shop", body="Hi")

    assert refusal.value.status == 409
    assert participant.messaging_binding["address"] == PERSON
    assert (message.sid[:2], message.body, message.index) == ("IM", "Hi", 0)


@pytest.mark.parametrize(
    ("address", "statuses", "code", "prefix"),
    [
        (PERSON, ["sent", "delivered"], 0, "SM"),
        (f"whatsapp:{PERSON}", ["sent", "delivered", "read"], 0, "WA"),
        ("messenger:4711", ["sent", "delivered", "read"], 0, "FB"),
        ("+155500030003", ["sent", "undelivered"], 30003, "SM"),
        ("+155500063016", ["failed"], 63016, "SM"),
    ],
)
def test_how_a_conversations_message_fares_is_told_and_can_be_looked_up(
    twin: Twin, client: Client, receiver: Receiver, address: str, statuses: list[str], code: int, prefix: str
) -> None:
    twin.configure(conversations_url=f"{receiver.url}/talks#rc=5&rp=all")
    conversation = client.conversations.v1.conversations.create()
    conversation.participants.create(messaging_binding_address=address)
    conversation.participants.create(identity="alice")

    message = conversation.messages.create(author="alice", body="Hi")
    wait_until(twin.is_quiet)

    told = [hit.form for hit in receiver.hits]
    assert {form["EventType"] for form in told} == {"onDeliveryUpdated"}
    assert sorted(form["Status"] for form in told) == sorted(statuses)
    assert {form["MessageSid"] for form in told} == {message.sid}
    assert {form["ConversationSid"] for form in told} == {conversation.sid}
    assert {form.get("ErrorCode", "0") for form in told} <= {"0", str(code)}
    (receipt,) = message.delivery_receipts.list()
    assert (receipt.status, receipt.error_code) == (statuses[-1], code)
    assert {form["DeliveryReceiptSid"] for form in told} == {receipt.sid}
    assert {form["ChannelMessageSid"] for form in told} == {receipt.channel_message_sid}
    assert receipt.channel_message_sid.startswith(prefix)
    assert receipt.fetch().status == receipt.status
    delivery = message.fetch().delivery
    assert (delivery["total"], delivery[statuses[-1]]) == (1, "all")


def test_what_nobodys_phone_is_in_has_no_receipts(twin: Twin, client: Client, receiver: Receiver) -> None:
    twin.configure(conversations_url=f"{receiver.url}/talks")
    conversation = client.conversations.v1.conversations.create()
    conversation.participants.create(identity="alice")

    message = conversation.messages.create(author="alice", body="Hi")
    wait_until(twin.is_quiet)

    assert receiver.hits == []
    assert (message.fetch().delivery, message.delivery_receipts.list()) == (None, [])


def test_our_own_writing_is_reported_only_where_we_ask_for_it(
    twin: Twin, client: Client, receiver: Receiver
) -> None:
    twin.configure(conversations_url=f"{receiver.url}/talks")
    conversation = client.conversations.v1.conversations.create()

    conversation.messages.create(author="alice", body="quiet")
    conversation.messages.create(author="alice", body="loud", x_twilio_webhook_enabled="true")
    wait_until(twin.is_quiet)

    (told,) = [hit.form for hit in receiver.hits]
    assert (told["EventType"], told["Body"], told["Source"]) == ("onMessageAdded", "loud", "API")


def test_a_verification_is_approved_by_its_code_once(client: Client) -> None:
    service = client.verify.v2.services(VERIFY)
    assert service.verifications.create(to=PERSON, channel="sms").status == "pending"

    assert service.verification_checks.create(to=PERSON, code="000000").status == "pending"
    assert service.verification_checks.create(to=PERSON, code="123456").status == "approved"
    with pytest.raises(TwilioRestException) as refusal:
        service.verification_checks.create(to=PERSON, code="123456")
    assert refusal.value.code == 20404


def test_a_number_is_looked_up(client: Client) -> None:
    found = client.lookups.v2.phone_numbers(PERSON).fetch(fields="line_type_intelligence")

    assert found.valid
    assert found.line_type_intelligence["type"] == "mobile"


def test_content_is_json_and_a_form_is_refused(twin: Twin, client: Client) -> None:
    def post(**body: object) -> requests.Response:
        return requests.post(f"{twin.url}/v1/Content", auth=(ACCOUNT, TOKEN), timeout=5, **body)  # type: ignore[arg-type]

    created = post(
        json={"language": "en", "types": {"twilio/text": {"body": "Hi {{1}}"}}, "variables": {"1": "x"}}
    )
    refused = post(data={"Language": "en"})

    assert (created.status_code, refused.status_code) == (201, 400)
    sid = json.loads(created.text)["sid"]
    assert client.content.v1.contents(sid).fetch().types == {"twilio/text": {"body": "Hi {{1}}"}}
