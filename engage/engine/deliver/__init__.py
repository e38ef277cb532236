"""Deliver: reserve, render, send, and the outcome as a fact."""
