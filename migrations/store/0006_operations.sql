-- Rebuilds of what is derived from the events, so that one that was stopped goes on where it was.
create table rebuilds (
    id          bigint      generated always as identity primary key,
    started_at  timestamptz not null default clock_timestamp(),
    last_case   text        not null default '', -- all cases up to this one are done
    cases       bigint      not null default 0,
    added       bigint      not null default 0,  -- writes that were missing
    corrected   bigint      not null default 0,  -- writes whose state was not what the events say
    finished_at timestamptz
);
create unique index one_rebuild_at_a_time on rebuilds ((true)) where finished_at is null;

-- Runs of the bulk handover update. One that was stopped is resumed behind its cursor: the messages of a run have ids
-- that follow from the run and the NOMS number, so what was handed over twice is recorded once.
create table bulk_runs (
    id           uuid        primary key,
    dry_run      boolean     not null,
    started_at   timestamptz not null, -- also what its messages give as occurredAt
    cursor       text, -- NOMS number up to which all is handed over
    handed_over  bigint      not null default 0,
    not_accepted bigint      not null default 0, -- refused for a fault of ours: in the log, with the NOMS number
    finished_at  timestamptz,
    abandoned    boolean     not null default false -- an operator began another run instead
);
create unique index bulk_runs_unfinished on bulk_runs (dry_run) where finished_at is null;

-- Who set a run going, resumed it or abandoned it, and why.
create table bulk_decisions (
    id       bigint      generated always as identity primary key,
    run_id   uuid        not null references bulk_runs (id),
    decision text        not null check (decision in ('begun', 'resumed', 'restarted')),
    by_whom  text        not null,
    why      text, -- where a reason was given
    at       timestamptz not null default clock_timestamp(),
    xid      xid8        not null default pg_current_xact_id() -- the order of the journal
);
create index bulk_decisions_by_commit on bulk_decisions (xid, id);
create trigger bulk_decisions_are_append_only before update or delete on bulk_decisions
    for each row execute function refuse_change();
create trigger bulk_decisions_are_never_truncated before truncate on bulk_decisions
    for each statement execute function refuse_change();
