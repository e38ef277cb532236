"""Runs under a client's own packages: sends every kind of call, waits until the client has no more to do, and tells what became of it.

Arguments: `segment` or `rudderstack`, the URL, the write key, how many calls.
"""

import importlib
import json
import sys
from datetime import datetime, timezone

module, url, key, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
analytics = importlib.import_module(f"{module}.analytics")
errors = []
client = analytics.Client(
    key,
    host=url,
    gzip=True,
    upload_size=5,
    upload_interval=0.2,
    max_retries=10,
    on_error=lambda error, items: errors.append(f"{error!r}: {len(items)} items"),
)
when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)  # noqa: UP017 - the client's Python, not ours
for n in range(count):
    user = f"user-{n % 7}"
    match n % 6:
        case 0:
            client.identify(user, {"n": n, "email": f"{user}@shop.example", "firstName": "Ada"})
        case 1:
            client.track(user, "Order Completed", {"n": n, "total": 19.99}, timestamp=when)
        case 2:
            client.page(user, "Docs", "Start", {"n": n})
        case 3:
            client.screen(user, "App", "Start", {"n": n})
        case 4:
            client.group(user, "group-1", {"n": n})
        case 5:
            client.alias(f"anonymous-{n}", f"alias-{n}", context={"n": n})
client.flush()
client.join()
print(json.dumps({"errors": errors}))
