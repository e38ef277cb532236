"""Twilio's twin: messages, calls, and the products around them."""
