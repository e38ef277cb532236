"""Twins of the providers, as a process of their own: Twilio's and SendGrid's APIs, their webhooks, and their accidents."""
