"""The naive twin's HTTP side: an endpoint per call, a row and a commit each, a task per event."""

import json
import os
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from engage.bench.naive.models import Customer, Event, create_tables, session
from engage.bench.naive.tasks import on_event, on_status

app = FastAPI()


@app.get("/readyz")
def ready() -> dict[str, str]:
    """Say that it runs."""
    return {"status": "ready"}


@app.post("/v1/identify")
def identify(call: dict[str, Any]) -> dict[str, bool]:
    """Store a customer."""
    with session() as db:
        customer = db.scalar(select(Customer).where(Customer.user_id == call["userId"]))
        if customer is None:
            db.add(Customer(user_id=call["userId"], traits=call["traits"]))
        else:
            customer.traits = {**customer.traits, **call["traits"]}
        db.commit()
    return {"success": True}


@app.post("/v1/track")
def track(call: dict[str, Any]) -> dict[str, bool]:
    """Store an event and begin a task for it."""
    with session() as db:
        customer = db.scalar(select(Customer).where(Customer.user_id == call["userId"]))
        if customer is None:
            customer = Customer(user_id=call["userId"], traits={})
            db.add(customer)
            db.flush()
        event = Event(
            message_id=call["messageId"],
            customer_id=customer.id,
            name=call["event"],
            properties=call.get("properties", {}),
        )
        db.add(event)
        db.commit()
        on_event.delay(event.id)
    return {"success": True}


@app.post("/webhooks/twilio/status")
async def status(request: Request) -> dict[str, bool]:
    """Verify and pass on a callback."""
    form = dict(await request.form())
    url = f"{os.environ['NAIVE_PUBLIC_URL']}/webhooks/twilio/status?{request.url.query}"
    validator = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
    if validator.validate(url, form, request.headers.get("X-Twilio-Signature", "")):
        on_status.delay(int(request.query_params["ref"]), str(form["MessageStatus"]))
    return {"ok": True}


@app.post("/webhooks/sendgrid/events")
async def events(request: Request) -> dict[str, bool]:
    """Pass on a batch of events."""
    for event in json.loads(await request.body()):
        if event["event"] in ("processed", "delivered"):
            on_status.delay(int(event["engage_ref"]), event["event"])
    return {"ok": True}


def main() -> None:
    """Serve."""
    create_tables()
    host, _, port = os.environ["NAIVE_LISTEN"].rpartition(":")
    uvicorn.run(app, host=host, port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
