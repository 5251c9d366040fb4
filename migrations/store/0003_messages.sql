-- One row per receipt of a message, deliveries that changed nothing included: nothing is skipped in silence.
create table message_receipts (
    id            bigint      generated always as identity primary key,
    message_id    text        not null,
    event_type    text,
    case_id       text, -- NOMS number, when the message is about a case
    disposition   text        not null
        check (disposition in ('recorded', 'duplicate', 'parked', 'changeFeed', 'notApplicable')),
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
