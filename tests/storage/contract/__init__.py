"""The contract of `engage.ports.storage`, as classes that every store's tests inherit."""
