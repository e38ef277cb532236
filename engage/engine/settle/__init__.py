"""Settle: outcomes that nobody knows are found out, and our lists and the providers' say the same."""
