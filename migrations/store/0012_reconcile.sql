-- One row per run of reconcile: what was compared and what was found. A leaf of the journal.
create table reconcile_runs (
    id         bigint      generated always as identity primary key,
    started_at timestamptz not null,
    ended_at   timestamptz not null default clock_timestamp(),
    by_whom    text        not null,
    why        text        not null,
    fixed      boolean     not null, -- whether differences were to be repaired
    summary    jsonb       not null, -- cases compared, differences by kind; names nobody
    xid        xid8        not null default pg_current_xact_id() -- the order of the journal
);
create index reconcile_runs_by_commit on reconcile_runs (xid, id);
create trigger reconcile_runs_are_append_only before update or delete on reconcile_runs
    for each row execute function refuse_change();
create trigger reconcile_runs_are_never_truncated before truncate on reconcile_runs
    for each statement execute function refuse_change();

-- Differences that somebody accepted: they do not fail later runs while they stay as they are. Whoever accepts one again
-- adds a row. Leaves of the journal.
create table reconcile_accepted (
    id          bigint      generated always as identity primary key,
    case_id     text        not null,
    difference  text        not null, -- as it is printed
    by_whom     text        not null,
    why         text        not null,
    accepted_at timestamptz not null default clock_timestamp(),
    xid         xid8        not null default pg_current_xact_id() -- the order of the journal
);
create index reconcile_accepted_by_case on reconcile_accepted (case_id);
create index reconcile_accepted_by_commit on reconcile_accepted (xid, id);
create trigger reconcile_accepted_are_append_only before update or delete on reconcile_accepted
    for each row execute function refuse_change();
create trigger reconcile_accepted_are_never_truncated before truncate on reconcile_accepted
    for each statement execute function refuse_change();
