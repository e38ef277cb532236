"""How long the steps of a life take: log-normal, from the seed, nothing at all when latencies are off."""

from __future__ import annotations

from engage.sandbox.chance import Chance, sigma_for
from engage.sandbox.config import SandboxConfig
from engage.sandbox.ledger import Entry

# Ratios of the 99th percentile to the median: 80 → 400 ms for the API, 2 → 30 s for a receipt.
_API = sigma_for(5)
_RECEIPT = sigma_for(15)
_STEADY = sigma_for(3)

# Speaking rate of the synthetic voices, about 150 words a minute.
SPOKEN_CHARACTERS_PER_SECOND = 15.0


class Latency:
    """Draws delays in sandbox seconds; equal seeds give equal delays to the n-th message for an address."""

    def __init__(self, config: SandboxConfig, chance: Chance) -> None:
        self._on = config.latencies
        self._chance = chance
        self._api_seconds = config.api_latency_ms / 1000
        self._medians = {
            "sent": (config.sent_seconds, _STEADY),
            "delivered": (config.delivered_seconds, _RECEIPT),
            "queued": (0.05, _STEADY),
            "processed": (config.processed_seconds, _STEADY),
            "mail_delivered": (config.email_delivered_seconds, _STEADY),
            "engage": (config.engage_seconds, _STEADY),
            "ring": (config.ring_seconds, _STEADY),
        }

    def api(self, number: int) -> float:
        """Return how long the API takes to answer its `number`-th request."""
        if not self._on or self._api_seconds <= 0:
            return 0.0
        return self._chance.lognormal(self._api_seconds, _API, "api", number)

    def draw(self, kind: str, entry: Entry, occasion: object = "") -> float:
        """Return how long a step of this kind takes for this entry."""
        if not self._on:
            return 0.0
        median, sigma = self._medians[kind]
        return self._chance.lognormal(median, sigma, kind, entry.to, entry.ordinal, occasion)

    def fixed(self, seconds: float) -> float:
        """Return `seconds`, or nothing when latencies are off."""
        return seconds if self._on else 0.0

    def speaking(self, text: str) -> float:
        """Return how long a voice takes to say this."""
        return self.fixed(len(text) / SPOKEN_CHARACTERS_PER_SECOND)
