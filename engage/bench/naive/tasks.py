"""The naive twin's Celery tasks: one per step."""

import os

from celery import Celery
from jinja2 import Template
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Mail
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from twilio.rest import Client

from engage.bench.customers import EMAIL_EVENT, SMS_EVENT
from engage.bench.naive.letter import LETTER
from engage.bench.naive.models import Customer, Delivery, Event, Receipt, session

app = Celery("naive", broker=os.environ.get("NAIVE_BROKER_URL", "memory://"))
app.conf.update(task_ignore_result=True, task_acks_late=True, broker_connection_retry_on_startup=True)


@app.task
def on_event(event_id: int) -> None:
    """Judge the condition and begin the step that follows."""
    with session() as db:
        event = db.get_one(Event, event_id)
        customer = db.get_one(Customer, event.customer_id)
        if customer.traits.get("plan") != "gold":
            return
        channel = {SMS_EVENT: "sms", EMAIL_EVENT: "email"}.get(event.name)
        if channel is None:
            return
        delivery = Delivery(customer_id=customer.id, channel=channel, status="queued")
        db.add(delivery)
        db.commit()
        (send_sms if channel == "sms" else send_email).delay(delivery.id)


@app.task
def send_sms(delivery_id: int) -> None:
    """Render and send one SMS."""
    with session() as db:
        delivery = db.get_one(Delivery, delivery_id)
        customer = db.get_one(Customer, delivery.customer_id)
        text = Template("Hello {{ name }}, your order is on its way.").render(
            name=customer.traits["first_name"]
        )
        client = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])
        client.api.base_url = os.environ["NAIVE_SINK"]
        callback = f"{os.environ['NAIVE_PUBLIC_URL']}/webhooks/twilio/status?ref={delivery.id}"
        sent = client.messages.create(
            to=customer.traits["phone"], from_=os.environ["TWILIO_FROM"], body=text, status_callback=callback
        )
        delivery.provider_id = sent.sid
        _accepted(db, delivery)


@app.task
def send_email(delivery_id: int) -> None:
    """Render and send one mail."""
    with session() as db:
        delivery = db.get_one(Delivery, delivery_id)
        customer = db.get_one(Customer, delivery.customer_id)
        html = Template(LETTER).render(profile=customer.traits)
        mail = Mail("hello@shop.example", customer.traits["email"], "Your parcel", html_content=html)
        mail.add_custom_arg(CustomArg("engage_ref", str(delivery.id)))
        SendGridAPIClient(os.environ["SENDGRID_API_KEY"], host=os.environ["NAIVE_SINK"]).send(mail)
        _accepted(db, delivery)


def _accepted(db: Session, delivery: Delivery) -> None:
    """Mark it accepted, unless a callback was faster."""
    waiting = update(Delivery).where(Delivery.id == delivery.id, Delivery.status == "queued")
    db.execute(waiting.values(status="accepted"), execution_options={"synchronize_session": False})
    db.commit()


@app.task
def on_status(delivery_id: int, status: str) -> None:
    """Record one callback."""
    with session() as db:
        delivery = db.get(Delivery, delivery_id, with_for_update=True)
        if delivery is None:
            return
        db.add(Receipt(delivery_id=delivery.id, status=status))
        if status == "delivered" or delivery.status != "delivered":
            delivery.status = status
        db.commit()


def customer_of(user_id: str) -> int | None:
    """Return the id of a customer."""
    with session() as db:
        return db.scalar(select(Customer.id).where(Customer.user_id == user_id))
