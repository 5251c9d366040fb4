-- Notices of applied writes on their way to the outcome topic: added in the transaction that records the outcome, sent
-- at least once. Only where a topic is configured.
create table outcome_notices (
    write_id     uuid        primary key,
    position     bigint      generated always as identity, -- the order of the outcomes of a case
    case_id      text        not null, -- NOMS number
    outcome      text        not null,
    occurred_at  timestamptz, -- of the message that the write goes back to; none for one that an operator released
    applied_at   timestamptz not null,
    traceparent  text, -- the trace of the message, sent with the notice
    attempt      integer     not null default 0,
    available_at timestamptz not null default clock_timestamp(), -- also the end of the lease of who is sending it
    last_error   text,
    sent_at      timestamptz
);
create index outcome_notices_due on outcome_notices (available_at) where sent_at is null;
-- A notice waits for the earlier ones of its case.
create index outcome_notices_unsent on outcome_notices (case_id, position) where sent_at is null;
-- Sent notices are forgotten after a while; the announcer looks for them now and then.
create index outcome_notices_sent on outcome_notices (sent_at) where sent_at is not null;
