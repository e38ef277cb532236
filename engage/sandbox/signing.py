"""Signatures as the two providers make them: HMAC-SHA1 over URL and form, ECDSA over timestamp and bytes."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def twilio_signature(auth_token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """Return `X-Twilio-Signature` for a request to `url` (as sent, without fragment) with these form fields.

    Names are sorted, and per name the distinct values; a request without a body signs the URL alone.
    """
    text = url + "".join([name + value for name, value in sorted(set(form))])
    return base64.b64encode(hmac.digest(auth_token.encode(), text.encode(), "sha1")).decode()


def generate_signing_key() -> tuple[str, str]:
    """Return a new P-256 key: the private half as PEM, the public half as base64 SPKI (what the provider shows)."""
    private_pem = (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )
    return private_pem, EventSigner(private_pem).public_key


class EventSigner:
    """Signs event batches with one private key.

    Raises:
        ValueError: the PEM holds no P-256 private key.
    """

    def __init__(self, private_pem: str) -> None:
        key = serialization.load_pem_private_key(private_pem.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the signing key must be a P-256 key")  # noqa: TRY004  # a wrong value of the right type
        self._key = key
        spki = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public_key = base64.b64encode(spki).decode()

    def sign(self, timestamp: str, body: bytes) -> str:
        """Return the base64 DER signature over `timestamp` and the raw `body`."""
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode()
