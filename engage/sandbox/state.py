"""One sandbox: its configuration, clock, record, faults and the parts that live on them."""

from __future__ import annotations

import secrets
from typing import Any

from engage.sandbox.chance import Chance
from engage.sandbox.clock import Clock
from engage.sandbox.config import SandboxConfig
from engage.sandbox.courier import Courier
from engage.sandbox.fates import TEST_RANGE, VALID_FROM, is_sender
from engage.sandbox.faults import FaultPlan
from engage.sandbox.http_client import HttpClient
from engage.sandbox.inbound import Inbound
from engage.sandbox.latency import Latency
from engage.sandbox.ledger import Ledger
from engage.sandbox.sendgrid.events import EventStream
from engage.sandbox.sendgrid.mail import Mails
from engage.sandbox.sendgrid.suppressions import Suppressions
from engage.sandbox.signing import EventSigner, generate_signing_key
from engage.sandbox.twilio.agents import Agents
from engage.sandbox.twilio.calls import Calls
from engage.sandbox.twilio.chat_receipts import Receipts
from engage.sandbox.twilio.hooks import TwilioHooks
from engage.sandbox.twilio.messages import Messages
from engage.sandbox.twilio.optout import BlockList
from engage.sandbox.twilio.records import Records
from engage.sandbox.twilio.rooms import Rooms
from engage.sandbox.wire import basic_credentials

# Signs callbacks as long as no token was configured and no client has shown one.
UNKNOWN_TOKEN = "sandbox-auth-token"  # noqa: S105  # a published placeholder, not a secret
UNKNOWN_ACCOUNT = "AC" + "0" * 32


class Sandbox:
    """All state of one pair of provider twins; lives on one event loop."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.clock = Clock(config.speed)
        self.ledger = Ledger(config.keep, config.keep_bytes)
        self.faults = FaultPlan(config.seed)
        self.blocks = BlockList()
        self.suppressions = Suppressions()
        self.records = Records()
        self.signer = EventSigner(config.signing_key or generate_signing_key()[0])
        self.client = HttpClient()
        self.courier = Courier(self.clock, self.client, config.callback_connections)
        self.chance = Chance(config.seed)
        self.latency = Latency(config, self.chance)
        self.hooks = TwilioHooks(self.clock, self.courier, self.faults, self.token_of)
        self.events = EventStream(self)
        self.messages = Messages(self)
        self.calls = Calls(self)
        self.mails = Mails(self)
        self.inbound = Inbound(self)
        self.agents = Agents(self)
        self.rooms = Rooms(self)
        self.receipts = Receipts(self)
        self._shown_tokens: dict[str, str] = {}
        self._requests = 0

    async def stop(self) -> None:
        """End all timers, calls and callbacks."""
        await self.calls.stop()
        self.clock.clear()
        await self.courier.stop()
        self.client.close()

    def reset(self) -> None:
        """Forget messages, counters, faults, blocks and suppressions; configuration and speed stay."""
        self.calls.reset()
        self.clock.clear()
        self.courier.reset()
        self.events.reset()
        self.messages.reset()
        self.ledger = Ledger(self.config.keep, self.config.keep_bytes)
        self.faults.replace([])
        self.blocks.clear()
        self.suppressions.clear()
        self.records.clear()
        self.mails.batches.clear()
        self.inbound.heard.clear()

    def reconfigure(self, changes: dict[str, Any]) -> None:
        """Change settings from now on.

        Raises:
            ConfigError: a setting is unknown, fixed or of the wrong type; nothing has changed.
        """
        self.config = self.config.with_changes(changes)
        self.chance = Chance(self.config.seed)
        self.latency = Latency(self.config, self.chance)
        self.ledger.keep = self.config.keep
        self.ledger.keep_bytes = self.config.keep_bytes
        if "speed" in changes:
            self.clock.set_speed(self.config.speed)

    async def pause_for_api(self) -> None:
        """Wait as long as the provider's API takes to answer; a stopped clock stops lives, not answers."""
        self._requests += 1
        if self.clock.speed <= 0:
            return
        await self.clock.sleep(self.latency.api(self._requests))

    def token_of(self, account_sid: str) -> str:
        """Return the auth token that signs the callbacks of this account."""
        if self.config.auth_token:
            return self.config.auth_token
        return self._shown_tokens.get(account_sid) or next(iter(self._shown_tokens.values()), UNKNOWN_TOKEN)

    def account_sid(self) -> str:
        """Return the account that things from outside (inbound messages) belong to."""
        return self.config.account_sid or next(iter(self._shown_tokens), UNKNOWN_ACCOUNT)

    def admits_twilio(self, authorization: str, account_sid: str | None) -> bool:
        """Return whether these Basic credentials open this account (None: a product without account in its path)."""
        credentials = basic_credentials(authorization)
        if credentials is None or not credentials[0]:
            return False
        user, password = credentials
        config = self.config
        if not config.account_sid:
            if user.startswith("AC"):
                self._shown_tokens[user] = password
            return True
        if account_sid is not None and account_sid != config.account_sid:
            return False
        if user == config.account_sid:
            return not config.auth_token or secrets.compare_digest(
                password.encode(), config.auth_token.encode()
            )
        known = config.api_keys.get(user)
        return known is not None and secrets.compare_digest(password.encode(), known.encode())

    def admits_sendgrid(self, authorization: str) -> bool:
        """Return whether this Bearer header carries a key we accept."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return False
        wanted = self.config.sendgrid_api_key
        return not wanted or secrets.compare_digest(key.strip().encode(), wanted.encode())

    def owns(self, sender: str) -> bool:
        """Return whether a message or call may leave from this sender."""
        number = sender.rpartition(":")[2]
        if number == VALID_FROM:
            return True
        if self.config.numbers or any(self.config.messaging_services.values()):
            pools = self.config.messaging_services.values()
            return number in self.config.numbers or any(number in pool for pool in pools)
        return is_sender(number) and not number.startswith(TEST_RANGE)

    def pool_of(self, service_sid: str) -> tuple[str, ...]:
        """Return the numbers of a messaging service; an unconfigured one shares all our numbers."""
        return self.config.messaging_services.get(service_sid) or self.config.numbers or (VALID_FROM,)

    def scope_of(self, number: str) -> str:
        """Return where an opt-out from this number holds: its messaging service, else the number itself."""
        for service_sid, pool in self.config.messaging_services.items():
            if number in pool:
                return service_sid
        return number
