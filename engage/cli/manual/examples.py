"""The reference's examples and one-line meanings: one for every verb, trigger, function, filter and test of the language.

A word of the language that is missing here makes the reference, and with it the test that reads it, fail.
"""

TRIGGERS = {
    "event": "event: Cart Updated\nkey: event.cart_id\nwhere: event.total >= 20",
    "audience": "audience: {entered: vip}\nexisting: include",
    "trait": "trait: {changed: plan}\nwhere: event.after == 'pro'",
    "date": 'date: {trait: birthday, every: year, time: "09:00", days_before: 3}',
    "schedule": 'schedule: {cron: "0 9 * * mon", zone: Europe/Berlin, audience: vip}',
    "inbound": 'inbound: {channel: sms, matching: "(?i)^yes"}',
    "signal": "signal: Product Restocked\npeople: entry.sku in values('Stock Requested', 'sku', within='90 days')\nat_most: 200",
    "api": "api: true",
}
TRIGGER_WORDS = {
    "event": "An event of this name (`Prefix*`, or a list); `entry` holds its properties.",
    "audience": "Entering or leaving an audience; with `existing: include` also who is inside at publish and at resume.",
    "trait": "A trait, computed ones too, takes another value; `event.before` and `event.after` say which.",
    "date": "A day of the person's, every year or once, at a time on their own wall.",
    "schedule": "A clock: again and again (`cron`) or once (`at`), for everybody in an audience.",
    "inbound": "Somebody writes to one of our senders.",
    "signal": "One event without a person (`POST /v1/signals`) that enters many.",
    "api": "`POST /v1/journeys/{j}/start`, or another journey's `start`.",
}
SCENARIO_NOTES = (
    "- **Why** it went as it did: `engage test journeys/tests/FILE.yaml --why ada` tells every decision about Ada.",
    "- **Providers** take every message at once: it is `accepted`. Nothing is delivered, opened, clicked or answered unless a `receipt` or `inbound` says so.",
    '- **People** are names: `ada` is a `user_id`, `anon-1` an anonymous id; `alias` makes them one. `"u{1..100}"` are a hundred.',
    (
        "- **Consent** is as your topics ask: `opt_in` needs a `subscribe`, `double_opt_in` needs, after that, a mail with `confirm_url` and a `confirm`. "
        "Let the journey that asks for it take part (`use`), or give the scenario `settings` of its own."
    ),
    "- **Items before 0s** (`at: -30d`) are history: they start nothing, and count.",
    "- **Holdouts and splits** are drawn by nobody: `choose` says who falls where, and who is held out.",
)
TRIGGER_NOTES = {
    "schedule": 'The first Tuesday of every month: `cron: "5 0 1 * *"`, and as first step `wait_until: {time: "07:30", weekdays: [tue]}`. '
    "A cron of `30 7 1-7 * tue` is not it: by the rules of cron it runs on the days 1 to 7 and on every Tuesday.",
}
STEP_NOTES = {
    "reach": "In a scenario receipts never come by themselves: write `{at: …, receipt: delivered, of: {step: ID, to: ada}}`, or the next channel is tried.",
    "wait_for": "Several things at once, each with what follows:\n\n```yaml\n- wait_for:\n    timeout: 2 days\n    branches:\n"
    "      - {step: ask, status: replied, where: \"event.body is matching('(?i)^yes')\", then: [{exit: confirmed}]}\n"
    "      - {event: Appointment Moved, then: [{exit: moved}]}\n    on_timeout:\n      - sms: reminder\n```",
}
STEPS = {
    "email": "- email: welcome/hello\n  id: hello\n  expires: 12 hours",
    "sms": "- sms: {template: cart/nudge, with: {code: CART10}}\n  if_not_sent: {no_address: [{email: cart/nudge}], default: continue}",
    "mms": "- mms: {template: looks/new, topic: promotions}",
    "whatsapp": "- whatsapp: orders/shipped",
    "voice": "- voice: cart/call\n  id: call\n  expires: 2 hours",
    "chat": "- chat: {text: \"Your table is ready, {{ profile.first_name | default('friend') }}.\"}",
    "reach": "- reach: {within: 10 minutes, until: delivered, channels: [{sms: alert}, {email: alert}, {voice: alert}]}",
    "wait": "- wait: 1 day 12 hours",
    "wait_until": '- wait_until: {time: "09:00", weekdays: [mon, tue, wed, thu, fri]}',
    "wait_for": "- wait_for:\n    timeout: 1 day\n    event: Order Completed\n    where: event.total >= 20\n    then:\n      - exit: bought",
    "branch": "- branch:\n    - if: profile.plan == 'pro'\n      then:\n        - email: pro/hello\n    - else:\n        - email: hello",
    "split": "- split:\n    arms:\n      letter: {weight: 50, then: [{email: letter}]}\n      voucher: {weight: 50, then: [{email: voucher}]}\n  id: offer",
    "set": '- set: {regular: true, greeted_on: "{{ now }}"}',
    "remember": '- remember: {cart: "{{ entry.cart_id }}"}',
    "subscribe": "- subscribe: {channel: email, topic: newsletter}",
    "unsubscribe": "- unsubscribe: {channel: sms, topic: promotions}",
    "suppress": "- suppress: {channel: email, reason: asked by telephone}",
    "add_to": "- add_to: early-access",
    "remove_from": "- remove_from: early-access",
    "emit": '- emit: {event: Order Late, properties: {order_id: "{{ entry.order_id }}"}}',
    "start": '- start: {journey: after-sale, with: {order_id: "{{ entry.order_id }}"}, key: entry.order_id}',
    "webhook": '- webhook: {url: "https://hooks.partner.example/score", body: {id: "{{ profile.user_id }}"}, save_as: score}',
    "sync": "- sync: {to: crm, with: {stage: customer}}",
    "handoff": "- handoff: {to: flex, workflow: support}\n  id: agent",
    "repeat": "- repeat:\n    times: 3\n    while: not did('Order Completed', within='30 days')\n    steps:\n      - wait: 5 days\n      - email: still-there",
    "exit": "- exit: bought",
}
FUNCTIONS = {
    "count": (
        "count('Order Completed', within='90 days', where=event.total >= 20)",
        "how often the profile did it",
    ),
    "did": ("did('Order Completed', since=run.entered_at)", "whether `count` is more than 0"),
    "sum": ("sum('Order Completed', 'total')", "sum of the numbers; none if there are none"),
    "avg": ("avg('Order Completed', 'total')", "mean, rounded half up to 12 places"),
    "min": ("min('Order Completed', 'total')", "the smallest number"),
    "max": ("max('Order Completed', 'total')", "the largest number"),
    "first": (
        "first('Order Completed', 'coupon')",
        "the property of the first event; without one: its instant",
    ),
    "last": ("last('Order Completed')", "the property of the last event; without one: its instant"),
    "values": ("values('Stock Requested', 'sku', within='90 days')", "distinct values, sorted"),
    "mode": (
        "mode('Order Completed', 'category')",
        "the most frequent value; at a tie the alphabetically first",
    ),
    "sequence": (
        "sequence('Cart Updated', step('Order Completed', where=event.total > 50), within='2 days')",
        "in this order, the whole chain within the time",
    ),
    "in_audience": ("in_audience('vip')", "membership"),
    "subscribed": ("subscribed('sms', 'promotions')", "whether consent lets us"),
    "changed_at": ("changed_at('plan')", "event time at which the trait took its present value"),
    "ago": ("last('Order Completed') < ago('30 days')", "now minus a duration"),
    "ahead": ("profile.renews_at | date < ahead('7 days')", "now plus a duration"),
    "bucket": ("bucket('summer') < 10", "0 to 99 by a stable hash of the person"),
    "secret": (
        "secret('FRONT_DESK')",
        "`ENGAGE_USERSECRET_FRONT_DESK`, in headers and body of a webhook and in `dial` only",
    ),
}
FILTERS = {
    "lower": ("profile.email | lower", "small letters"),
    "upper": ("profile.code | upper", "capitals"),
    "trim": ("profile.name | trim", "without white space at both ends"),
    "length": ("event.products | length", "number of elements or characters"),
    "date": ("profile.birthday | date", "an instant from ISO 8601, Unix seconds or a bare date; else none"),
    "number": ("profile.score | number", "a number from decimal text; else none"),
    "default": ("profile.first_name | default('there')", "replaces none"),
    "round": ("entry.total | round(2)", "half up"),
    "abs": ("entry.change | abs", "without its sign"),
    "join": ("event.products.name | join(', ')", "elements as one text"),
    "head": ("event.products | head(3)", "the first elements or characters"),
    "tail": ("profile.phone | tail(4)", "the last elements or characters"),
    "extract": ("entry.body | extract('[0-9]+')", "the first match; else none"),
}
TESTS = {
    "defined": ("profile.plan is defined", "not none"),
    "none": ("profile.plan is none", "missing or null"),
    "empty": ("profile.tags is empty", "none, '', [] or {}"),
    "present": ("profile.email is present", "not empty"),
    "string": ("entry.id is string", "a text"),
    "number": ("entry.total is number", "a number"),
    "starting_with": ("profile.phone is starting_with '+1'", "a text that begins so"),
    "ending_with": ("profile.email is ending_with '@shop.example'", "a text that ends so"),
    "containing": ("profile.tags is containing 'vip'", "of a list an element, of a text a part"),
    "matching": ("entry.body is matching '(?i)^yes'", "a regular expression finds something (linear time)"),
}
STATUS_WORDS = {
    "queued": "asked for, due now",
    "held": "waits: quiet hours, law, rate, a pause, a retry",
    "sending": "a call to the provider is under way",
    "unknown": "the call left and no answer came; it is settled by callback or by asking",
    "accepted": "the provider took it",
    "sent": "on its way to the recipient",
    "delivered": "arrived",
    "opened": "opened by a person",
    "opened_any": "opened by a person or a machine",
    "clicked": "a link was followed",
    "replied": "answered",
    "answered": "a call was answered",
    "completed": "a call, or a hand-off, came to its end",
    "skipped": "not sent, with a reason",
    "failed": "failed for good, with a reason and the provider's code",
    "undelivered": "the carrier could not deliver it",
    "bounced": "the mailbox refused it; a hard bounce suppresses the address",
    "complained": "marked as spam; suppresses the address",
    "canceled": "called off before it left, because its run ended",
    "busy": "the line was busy",
    "no_answer": "nobody answered",
    "deferred": "the mailbox asked to wait; the provider tries again",
    "digits": "keys were pressed",
    "unsubscribed": "unsubscribed by this message",
    "resubscribed": "a fact of mail: said yes again on a page of the provider's",
    "voicemail": "a message was left",
    "machine": "an answering machine took the call",
    "dropped": "the provider refused to send it",
}
SKIP_WORDS = {
    "sending_stopped": "an operator stopped the channel",
    "holdout": "the run is held out",
    "no_address": "the person has no address on this channel",
    "suppressed": "the address must not be used: bounce, complaint, `suppress`",
    "unsubscribed": "the person said no",
    "not_opted_in": "the topic needs a yes on this channel, and there is none",
    "expired": "`expires` was over before it could leave",
    "unknown_zone": "the person's zone is unknown, and `unknown_zone: skip`",
    "law": "a rule of the law packs; the rule is named",
    "quiet_hours": "quiet hours, and `on_quiet: skip`",
    "capped": "a cap is full",
    "render_failed": "the template needs a value that is missing",
}
ENTRY_WORDS = {
    "paused": "the journey was paused or archived",
    "late": "the event was older than `late_events`",
    "no_key": "the key expression gave none",
    "entry_where": "`entry.where` was false",
    "already_inside": "a run with this key was active",
    "reentry": "too soon after the entry before",
}
END_WORDS = {
    "completed": "walked to its end",
    "goal": "reached the goal",
    "goal_late": "reached the goal after `within`: ended, not counted",
    "archived": "the journey was archived",
    "merged": "the profile was merged into another one that was inside too",
    "replaced": "a newer entry restarted it",
    "migrated": "a migration took it out",
    "stale": "its timer fired later than `stale_after`",
    "loop_limit": "too many `emit` and `start` after one outside fact",
    "failed": "the engine could not go on",
}
FAIL_WORDS = {
    "invalid_address": "the provider says that there is no such address",
    "blocked": "a carrier, filter or country block",
    "content": "the provider refused the content",
    "config": "our account or sender is not set up for it",
    "provider_error": "refused for an hour",
    "unknown_outcome": "no answer, no callback, and asking did not help",
}
HOLD_WORDS = {
    "paused": "the journey is paused",
    "quiet_hours": "until quiet hours end",
    "law": "until the law allows it",
    "rate": "the sender's rate, a cap with `on_cap: hold`, or the provider's daily cap: until it renews",
    "retry": "the provider refused for now",
}
