"""Twins of the providers, as a process of their own: Twilio's and SendGrid's APIs, their webhooks, and their accidents."""

from engage.sandbox.app import create_app
from engage.sandbox.config import SandboxConfig, make_config
from engage.sandbox.server import RunningSandbox, running, serve
from engage.sandbox.signing import generate_signing_key

__all__ = [
    "RunningSandbox",
    "SandboxConfig",
    "create_app",
    "generate_signing_key",
    "make_config",
    "running",
    "serve",
]
