-- One row per derived write. Strictly in order (sequence, ordinal) within a case, in parallel across cases: only the
-- head of a case, which is its lowest unfinished row, may be claimed. A parked row is unfinished.
--
-- `is_head` says so explicitly, so that a claim is a scan of one small index whatever waits behind the heads. The append
-- that adds or finishes writes of a case maintains it; appends to one case are ordered by the key of `events`.
create table outbox (
    id           uuid        primary key,
    case_id      text        not null,
    sequence     bigint      not null,
    ordinal      integer     not null,
    kind         text        not null,
    intent       jsonb       not null,
    state        text        not null default 'pending' check (state in ('pending', 'done', 'parked', 'skipped')),
    attempt      integer     not null default 0,
    is_head      boolean     not null default false,
    available_at timestamptz not null default clock_timestamp(), -- of a claimed row: the end of its lease
    lease_until  timestamptz,
    leased_by    text,
    unknown_failures integer not null default 0, -- attempts that failed for an unknown reason: these park the row
    last_error   text,
    failing_since timestamptz, -- since when every attempt has failed with the last error
    created_at   timestamptz not null default clock_timestamp(),
    finished_at  timestamptz,
    unique (case_id, sequence, ordinal)
);
create index outbox_unfinished on outbox (case_id, sequence, ordinal) where state in ('pending', 'parked');
create index outbox_due_heads on outbox (available_at) where is_head and state = 'pending';
create unique index outbox_one_head_per_case on outbox (case_id) where is_head;
-- The refused writes, for operators: few among many events.
create index events_refused on events (aggregate_id, sequence) where event_type = 'DeliusWriteRefused';

-- Every attempt that failed, and when.
create table outbox_attempts (
    outbox_id uuid        not null references outbox (id),
    attempt   integer     not null,
    worker    text        not null,
    error     text        not null, -- without personal data
    at        timestamptz not null default clock_timestamp(),
    primary key (outbox_id, attempt)
);
create trigger outbox_attempts_are_append_only before update or delete on outbox_attempts
    for each row execute function refuse_change();
create trigger outbox_attempts_are_never_truncated before truncate on outbox_attempts
    for each statement execute function refuse_change();
