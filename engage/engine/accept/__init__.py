"""Accept: what callers say becomes durable facts, before they are told "yes"."""
