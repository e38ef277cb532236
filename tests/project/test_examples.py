"""The examples of the language's own page: written as they stand there, they have no mistake and no warning."""

from pathlib import Path

from engage.project.load import load_project
from tests.project.gallery import write

JOURNEY = """\
journey: abandoned-cart             # kebab-case, unique, = file name
title: Abandoned cart
description: Nudge by mail an hour after the cart was last touched, then SMS, for big carts a call.
owner: growth@shop.example
topic: promotions                   # of every send below that names none
trigger:
  event: Cart Updated
  key: event.cart_id                # one run per cart
entry:
  where: entry.total >= 50 and profile.email is present
  reentry: {per: profile, every: 7 days}
  while_inside: restart             # a newer Cart Updated starts the run afresh with the new cart
holdout: 5%                         # enters, is measured, gets nothing
goal: {event: Order Completed, within: 5 days, value: event.total}
exit_when:                          # reaching the goal ends the run too
  - event: Cart Emptied
    reason: emptied
on_exit:                            # last steps (no waits) of runs that leave by exit_when or goal
  - emit: {event: Cart Left}
steps:
  - wait: 1 hour
  - email: cart/reminder
    id: nudge
    expires: 12 hours
  - wait_for:
      timeout: 1 day
      branches:
        - step: nudge
          status: clicked
          then:
            - exit: engaged
      on_timeout:
        - branch:
            - if: entry.total >= 500 and subscribed('voice', 'promotions')
              then:
                - wait_until: {time: "10:00", weekdays: [mon, tue, wed, thu, fri]}
                - voice: cart/call
            - else:
                - sms: {template: cart/nudge, with: {code: CART10}}
"""
VIP = """\
audience: vip                       # kebab-case, unique, = file name
description: bought often, lately
where: >-
  count('Order Completed', within='90 days', where=event.total >= 20) >= 3 and profile.country == 'US'
"""
TESTERS = """\
audience: beta-testers
members: manual                     # by API, CSV, console or a journey step; add / remove / replace / clear
"""
VALUE = """\
trait: lifetime_value               # computed; read as profile.lifetime_value; a write from outside is refused and recorded
value: sum('Order Completed', 'total')
"""
CALL = """\
voice: Polly.Joanna-Neural
machine: detect                      # off | detect | voicemail (waits for the beep)
say:
  - say: "Hello {{ profile.first_name | default('there') }}, your table is booked for {{ entry.time }}."
  - gather: {digits: 1, timeout: 6, prompt: "Press 1 to confirm, 2 to talk to us, 9 to stop these calls."}
    on:
      "1": [{say: "Thank you, see you then."}]
      "2": [{dial: "{{ secret('FRONT_DESK') }}"}]
      "9": [{unsubscribe: true}, {say: "You will not be called again."}]
    otherwise: [{say: "We will send you a message instead."}]
on_machine: [{say: "This is Shop. Please check your messages."}]
"""
WHATSAPP = """\
content: HXb5b62575e6e4ff6129ad7c8efe1f983e          # approved template, used outside the 24-hour window
variables: {"1": "{{ profile.first_name | default('there') }}", "2": "{{ entry.order_id }}"}
text: "Your order {{ entry.order_id }} is on its way."   # optional, inside the window
"""
SETTINGS = """\
timezone: America/New_York
locale: en
region: US                           # for phone numbers written without a country
late_events: 24 hours
law: [us, ca, eu, fr]                # rule packs; init and the sample shop set it; absent: none
topics:
  newsletter: {title: News, email: double_opt_in}
  promotions: {title: Offers, email: opt_out, sms: opt_in, voice: opt_in}      # a channel it does not name may not be used (mms follows sms)
  orders:     {title: Order news, transactional: true}                          # naming no channel: all; waives opt-in, caps, holdout; never STOP or suppression
  security:   {title: Codes, transactional: true, urgent: true, duplicates: never_lost}   # urgent alone waives quiet hours
quiet_hours: {from: "21:00", to: "08:00", channels: [sms, mms, whatsapp, voice], on_quiet: hold, unknown_zone: project}
caps:
  - {channels: [sms], topic: promotions, limit: 3, per: 7 days, on_cap: skip}    # rolling; counts accepted non-transactional sends
senders:
  sms: {messaging_service: MG0123456789abcdef0123456789abcdef, rate: 10 per second}
sms: {opt_out_text: "Reply STOP to opt out", help_text: "Shop offers. Reply STOP to opt out."}
global_holdout: 0%
retention: {events: 400 days, bodies: 90 days, decisions: 90 days}
sensitive: ["Passcode Requested.passcode", profile.password]
webhooks: {allow: [hooks.partner.example]}
identity: {identifiers: {loyalty_id: {limit: 1, priority: 2}}, blocked: [unknown]}
"""
EXAMPLES = {
    "journeys/abandoned-cart.yaml": JOURNEY,
    "journeys/audiences/vip.yaml": VIP,
    "journeys/audiences/beta-testers.yaml": TESTERS,
    "journeys/traits/lifetime_value.yaml": VALUE,
    "journeys/settings.yaml": SETTINGS,
    "templates/cart/call/voice.yaml": CALL,
    "templates/cart/nudge/sms.txt": "{{ with.code }} takes ten per cent off",
    "templates/cart/reminder/email.html": "<p>Hi {{ profile.first_name | default('there') }}</p>",
    "templates/cart/reminder/meta.yaml": "subject: Your cart\n",
    "templates/shipped/whatsapp.yaml": WHATSAPP,
}


def test_the_examples_of_the_language_have_no_mistakes(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, EXAMPLES))

    assert [str(problem) for problem in project.problems] == []
    assert (len(project.journeys), len(project.audiences), len(project.traits)) == (1, 2, 1)
