"""The engine, whole and in one process, against the twins: real SDKs out, real signed webhooks back."""
