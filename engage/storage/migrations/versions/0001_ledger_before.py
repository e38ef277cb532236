"""Everything: facts, people, events, runs, timers, decisions, deliveries, consent, definitions.

Run before the deployment. Hot tables (rows that change or go soon) keep free room in their pages and are vacuumed
early, so that claims do not slow down as rows die.

`json` where a document is only kept and given back as it came (cheaper to write and read by half), `jsonb` where SQL
looks into it.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_HOT = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05"

_SCHEMA = f"""
CREATE TABLE profile (
    id uuid PRIMARY KEY,
    lane smallint NOT NULL,
    created_at timestamptz NOT NULL,
    bucket_key text NOT NULL,
    merges integer NOT NULL,
    traits jsonb NOT NULL,
    trait_times json NOT NULL
) WITH (fillfactor = 80, {_HOT});

CREATE SEQUENCE identifier_seq;
CREATE TABLE identifier (
    value text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    profile_id uuid NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('identifier_seq'),
    PRIMARY KEY (value, kind)
);
ALTER SEQUENCE identifier_seq OWNED BY identifier.seq;
CREATE INDEX identifier_profile ON identifier (profile_id);

-- Where a merged profile went; chains are kept flat.
CREATE TABLE merged (lost uuid PRIMARY KEY, kept uuid NOT NULL);
CREATE INDEX merged_kept ON merged (kept);

CREATE TABLE seen (
    source text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (source, message_id)
) PARTITION BY HASH (source, message_id);

-- For pruning by age: costs nothing while rows come in, and rows lie in the order of their age.
CREATE INDEX seen_age ON seen USING brin (received_at);

CREATE TABLE inbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane smallint NOT NULL,
    live boolean NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    received_at timestamptz NOT NULL,
    payload bytea NOT NULL
) WITH (fillfactor = 90, {_HOT});
-- Payloads live for milliseconds: compressing them costs more than it saves.
ALTER TABLE inbox ALTER payload SET STORAGE EXTERNAL;
CREATE INDEX inbox_lane ON inbox (lane, seq);

CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane smallint,
    received_at timestamptz NOT NULL,
    source text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    payload bytea NOT NULL
);

-- The timestamp is part of the key because partitions need it; a fact has one timestamp, so (profile, id) stays unique.
CREATE TABLE event (
    profile_id uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    timestamp timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    arrival bigint NOT NULL,
    epoch bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    type text NOT NULL,
    properties jsonb NOT NULL,
    PRIMARY KEY (profile_id, id, timestamp)
) PARTITION BY RANGE (timestamp);
CREATE INDEX event_history ON event (profile_id, name, timestamp);
CREATE TABLE event_default PARTITION OF event DEFAULT;

CREATE TABLE membership (
    profile_id uuid NOT NULL,
    audience text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (profile_id, audience)
);
CREATE INDEX membership_audience ON membership (audience, profile_id);

CREATE TABLE consent (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id uuid,
    address text COLLATE "C",
    channel text NOT NULL,
    topic text NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL,
    proof text
);
CREATE INDEX consent_profile ON consent (profile_id) WHERE profile_id IS NOT NULL;
CREATE INDEX consent_address ON consent (address) WHERE address IS NOT NULL;

-- The ledger's present view; `owner` is an address or a profile's id, as `scope` says.
CREATE TABLE subscription (
    owner text COLLATE "C" NOT NULL,
    scope text NOT NULL CHECK (scope IN ('address', 'profile')),
    channel text NOT NULL,
    topic text NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (owner, scope, channel, topic)
) WITH (fillfactor = 90);

CREATE TABLE suppression (
    address text COLLATE "C" NOT NULL,
    channel text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL,
    lifted boolean NOT NULL,
    PRIMARY KEY (address, channel)
);

CREATE TABLE project (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    epoch bigint NOT NULL DEFAULT 0,
    stopped text[] NOT NULL DEFAULT '{{}}'
) WITH (fillfactor = 50);
INSERT INTO project DEFAULT VALUES;

CREATE TABLE definition (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    source text NOT NULL,
    checksum text NOT NULL,
    state text NOT NULL,
    epoch bigint NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (kind, name, version)
);
CREATE UNIQUE INDEX definition_live ON definition (kind, name) WHERE live;

CREATE TABLE run (
    id uuid PRIMARY KEY,
    profile_id uuid NOT NULL,
    version integer NOT NULL,
    entered_at timestamptz NOT NULL,
    ended_at timestamptz,
    goal_until timestamptz,
    goal_at timestamptz,
    journey text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    step text,
    reason text,
    doc json NOT NULL
) WITH (fillfactor = 70, {_HOT});
COMMENT ON COLUMN run.goal_until IS 'until when a goal that is not reached yet would count';
CREATE UNIQUE INDEX run_active ON run (profile_id, journey, key) WHERE ended_at IS NULL;
CREATE INDEX run_entry ON run (profile_id, journey, key, entered_at);
CREATE INDEX run_goal ON run (profile_id, goal_until) WHERE ended_at IS NOT NULL AND goal_until IS NOT NULL;
CREATE INDEX run_inside ON run (journey, version) WHERE ended_at IS NULL OR goal_until IS NOT NULL;

CREATE TABLE timer (
    profile_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    lane smallint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    ref text COLLATE "C" NOT NULL,
    PRIMARY KEY (profile_id, kind, ref)
) WITH (fillfactor = 70, {_HOT});
CREATE INDEX timer_due ON timer (lane, due_at);

CREATE TABLE decision (
    id bigint GENERATED ALWAYS AS IDENTITY,
    profile_id uuid NOT NULL,
    at timestamptz NOT NULL,
    run_id uuid,
    delivery_id uuid,
    kind text NOT NULL,
    outcome text NOT NULL,
    journey text,
    step text,
    reason text,
    rule text,
    "values" json NOT NULL,
    PRIMARY KEY (profile_id, at, id)
);
CREATE INDEX decision_age ON decision USING brin (at);

-- Only columns that are empty most of a delivery's life stand in claim indexes: while a status moves from accepted to
-- opened no indexed value changes, and the update stays within its page.
CREATE TABLE delivery (
    id uuid PRIMARY KEY,
    profile_id uuid NOT NULL,
    run_id uuid,
    asked_at timestamptz NOT NULL,
    claim_at timestamptz,
    lease_until timestamptz,
    ask_at timestamptz,
    taken_at timestamptz,
    accepted_at timestamptz,
    visit integer NOT NULL,
    channel text COLLATE "C" NOT NULL,
    priority text COLLATE "C" NOT NULL,
    status text NOT NULL,
    marks text NOT NULL,
    topic text,
    journey text,
    step text,
    reason text,
    address text COLLATE "C",
    provider_id text,
    lease text,
    doc json NOT NULL
) WITH (fillfactor = 70, {_HOT});
COMMENT ON COLUMN delivery.claim_at IS 'due_at while queued or held';
COMMENT ON COLUMN delivery.ask_at IS 'due_at while the outcome is unknown';
COMMENT ON COLUMN delivery.taken_at IS 'when it was accepted, or is perhaps being accepted; what caps count';
CREATE UNIQUE INDEX delivery_once ON delivery (run_id, step, visit) WHERE run_id IS NOT NULL;
CREATE INDEX delivery_claim ON delivery (channel, priority, claim_at, id) WHERE claim_at IS NOT NULL;
CREATE INDEX delivery_lease ON delivery (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX delivery_unknown ON delivery (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX delivery_profile ON delivery (profile_id, taken_at);
CREATE INDEX delivery_address ON delivery (address, channel, accepted_at) WHERE address IS NOT NULL;

CREATE TABLE receipt (
    delivery_id uuid NOT NULL,
    receipt_id text COLLATE "C" NOT NULL,
    profile_id uuid NOT NULL,
    at timestamptz NOT NULL,
    mark text NOT NULL,
    provider text,
    code text,
    data json NOT NULL,
    PRIMARY KEY (delivery_id, receipt_id)
);

-- When deliveries were called that a provider has told us of since; only ever appended, by whoever hears of a later one.
CREATE TABLE heard (channel text COLLATE "C" NOT NULL, called_at timestamptz NOT NULL);
CREATE INDEX heard_channel ON heard (channel, called_at);

CREATE TABLE job (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    kind text NOT NULL,
    data json NOT NULL,
    cursor text,
    done bigint NOT NULL,
    total bigint NOT NULL,
    finished_at timestamptz
);
CREATE INDEX job_unfinished ON job (seq) WHERE finished_at IS NULL;

CREATE TABLE sender (
    id text COLLATE "C" PRIMARY KEY,
    next_slot timestamptz NOT NULL
) WITH (fillfactor = 50, {_HOT});

CREATE TABLE idempotency (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    digest text NOT NULL,
    answer text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE TABLE link (
    id text COLLATE "C" PRIMARY KEY,
    delivery_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    url text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX link_delivery ON link (delivery_id);
CREATE INDEX link_profile ON link (profile_id);

CREATE TABLE token (
    hash bytea PRIMARY KEY,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    data json NOT NULL
);
"""

_TABLES = (
    "audit, token, link, idempotency, sender, job, heard, receipt, delivery, decision, timer, run, definition, project, suppression,"
    " subscription, consent, membership, event, quarantine, inbox, seen, merged, identifier, profile"
)
_SEEN_PARTITIONS = 16


def upgrade() -> None:
    """Create all tables."""
    run = op.get_bind().exec_driver_sql
    run(_SCHEMA)
    for part in range(_SEEN_PARTITIONS):
        run(
            f"CREATE TABLE seen_{part} PARTITION OF seen"
            f" FOR VALUES WITH (MODULUS {_SEEN_PARTITIONS}, REMAINDER {part})"
        )


def downgrade() -> None:
    """Drop all tables."""
    op.get_bind().exec_driver_sql(f"DROP TABLE {_TABLES}")
