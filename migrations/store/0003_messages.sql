-- One row per receipt of a message, deliveries that changed nothing included: nothing is skipped in silence.
create table message_receipts (
    id            bigint      generated always as identity primary key,
    message_id    text        not null,
    event_type    text,
    case_id       text, -- NOMS number, when the message is about a case
    disposition   text        not null
        check (disposition in ('recorded', 'duplicate', 'parked', 'changeFeed', 'notApplicable', 'erasureRequested')),
    detail        text, -- in one line, without personal data
    body_sha256   text        not null,
    receive_count integer     not null default 1,
    received_at   timestamptz not null,
    recorded_at   timestamptz not null default clock_timestamp() -- what was known when, for the history
);
create index message_receipts_by_message on message_receipts (message_id);
create index message_receipts_by_case on message_receipts (case_id);

-- Messages that cannot become events, with their bytes. An operator lists, shows, retries or skips them.
create table parked_messages (
    id           bigint      generated always as identity primary key,
    message_id   text        not null,
    event_type   text,
    case_id      text,
    reason       text        not null, -- UnhandledEventType, InvalidMessage, …
    detail       text        not null, -- names the field and the remedy, without personal data
    body         bytea       not null, -- exactly as received
    body_sha256  text        not null,
    attributes   jsonb       not null default '{}', -- of the SQS message (raw delivery)
    received_at  timestamptz not null,
    recorded_at  timestamptz not null default clock_timestamp(),
    state        text        not null default 'parked' check (state in ('parked', 'retried', 'skipped')),
    unique (message_id)
);

-- What operators decided on parked messages, by whom and why.
create table parked_decisions (
    id        bigint      generated always as identity primary key,
    parked_id bigint      not null references parked_messages (id),
    decision  text        not null check (decision in ('retried', 'skipped', 'parkedAgain')),
    by_whom   text        not null,
    why       text        not null,
    at        timestamptz not null default clock_timestamp()
);
-- What became of the messages of a run.
create index message_receipts_of_bulk_runs on message_receipts (message_id) where message_id like 'bulk:%';

-- The history is told from these too, so the service never changes them.
create trigger message_receipts_are_append_only before update or delete on message_receipts
    for each row execute function refuse_change();
create trigger message_receipts_are_never_truncated before truncate on message_receipts
    for each statement execute function refuse_change();
create trigger parked_decisions_are_append_only before update or delete on parked_decisions
    for each row execute function refuse_change();
create trigger parked_decisions_are_never_truncated before truncate on parked_decisions
    for each statement execute function refuse_change();

-- Every parking of a message with what was known then: a message that is parked again for another reason must not
-- change what the history showed of the time before. Kept by a trigger, so that every version of the service keeps it.
create table parkings (
    id         bigint      generated always as identity primary key,
    parked_id  bigint      not null references parked_messages (id),
    event_type text,
    case_id    text,
    reason     text        not null,
    detail     text        not null,
    at         timestamptz not null default clock_timestamp()
);
create index parkings_by_message on parkings (parked_id);
create index parkings_by_case on parkings (case_id);

create trigger parkings_are_append_only before update or delete on parkings
    for each row execute function refuse_change();
create trigger parkings_are_never_truncated before truncate on parkings
    for each statement execute function refuse_change();

-- With the rights of the owner: the service may not have been given any on the new table yet.
create function keep_parking() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into parkings (parked_id, event_type, case_id, reason, detail)
    values (new.id, new.event_type, new.case_id, new.reason, new.detail);
    return null;
end $$;
create trigger parked_messages_keep_their_parkings after insert or update of reason, detail on parked_messages
    for each row execute function keep_parking();

-- The durable inbox: messages that could not be accepted yet, with their bytes. They are deleted from the queue, whose
-- dead-letter queue takes a message after three receives, and are tried again from here.
create table waiting_messages (
    id              bigint      generated always as identity unique, -- by which operators name it
    message_id      text        primary key,
    event_type      text,
    case_id         text, -- NOMS number, when the message names one
    body            bytea       not null, -- exactly as received
    body_sha256     text        not null,
    attributes      jsonb       not null default '{}', -- of the SQS message (raw delivery)
    sqs_id          text,
    receive_count   integer     not null,
    received_at     timestamptz not null,
    waiting_since   timestamptz not null default clock_timestamp(),
    attempts        integer     not null default 0, -- that ended with a result
    faults          integer     not null default 0, -- of them, those that failed by a bug of ours
    undocumented    integer     not null default 0, -- of them, those with an undocumented answer for this message alone
    alone_since     timestamptz, -- since when a dependency fails for this message and answers others
    dependency      text, -- without which no attempt makes sense
    last_answer     text        not null, -- in one line, without personal data
    last_attempt_at timestamptz not null default clock_timestamp(),
    next_attempt_at timestamptz not null,
    leased_by       text,
    leased_until    timestamptz,
    claims          integer     not null default 0, -- in a row that ended without a result
    claim           bigint      not null default 0  -- number of the claim, for fencing
);
create index waiting_messages_due on waiting_messages (next_attempt_at);
create index waiting_messages_by_dependency on waiting_messages (dependency, attempts, next_attempt_at);
create index waiting_messages_by_case on waiting_messages (case_id);

-- What operators decided on waiting messages, by whom and why.
create table waiting_decisions (
    id         bigint      generated always as identity primary key,
    message_id text        not null,
    decision   text        not null check (decision in ('retried', 'parked')),
    by_whom    text        not null,
    why        text        not null,
    at         timestamptz not null default clock_timestamp(),
    xid        xid8        not null default pg_current_xact_id() -- the order of the journal
);
create index waiting_decisions_by_message on waiting_decisions (message_id);
create index waiting_decisions_by_commit on waiting_decisions (xid, id);
create trigger waiting_decisions_are_append_only before update or delete on waiting_decisions
    for each row execute function refuse_change();
create trigger waiting_decisions_are_never_truncated before truncate on waiting_decisions
    for each statement execute function refuse_change();
