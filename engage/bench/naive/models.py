"""The naive twin's tables, as ORM classes."""

import os
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """Base of the tables."""


class Customer(Base):
    """Somebody."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String, unique=True)
    traits: Mapped[dict[str, Any]] = mapped_column(JSON)


class Event(Base):
    """Something they did."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(String, unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    name: Mapped[str] = mapped_column(String)
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class Delivery(Base):
    """One message."""

    __tablename__ = "delivery"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    channel: Mapped[str] = mapped_column(String)
    status: Mapped[str] = mapped_column(String)
    provider_id: Mapped[str | None] = mapped_column(String, index=True)


class Receipt(Base):
    """One callback."""

    __tablename__ = "receipt"
    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"))
    status: Mapped[str] = mapped_column(String)


@lru_cache(maxsize=1)
def engine() -> Any:
    """The process's engine."""
    return create_engine(os.environ["NAIVE_DATABASE_URL"], pool_size=8)


def session() -> Session:
    """Open a session."""
    return Session(engine())


def create_tables() -> None:
    """Create all tables."""
    Base.metadata.create_all(engine())
