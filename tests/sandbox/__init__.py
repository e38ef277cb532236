"""Claims about the provider twins, tried through the real SDKs."""
