"""Fuzzing: whatever the bytes are, every parser answers with a value or with its own refusal, soon.

`targets.py` names the parsers, what each must hold, and seeds; `faces.py` has whole requests and cursors, `twins.py` the sandbox, `played.py`
files for `engage simulate`. `make fuzz` searches with coverage as a guide (atheris) and keeps what it found interesting below `.engage/fuzz`;
what broke something is put into `found/`, which every `make test` tries again.
"""
