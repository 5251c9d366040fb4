-- One row per run of reconcile: what was compared and what was found.
create table reconcile_runs (
    id         bigint      generated always as identity primary key,
    started_at timestamptz not null,
    ended_at   timestamptz not null default clock_timestamp(),
    by_whom    text        not null,
    why        text        not null,
    fixed      boolean     not null, -- whether differences were to be repaired
    summary    jsonb       not null -- cases compared, differences by kind
);

-- Differences that somebody accepted: they do not fail later runs while they stay as they are.
create table reconcile_accepted (
    case_id     text        not null,
    difference  text        not null, -- as it is printed
    by_whom     text        not null,
    why         text        not null,
    accepted_at timestamptz not null default clock_timestamp(),
    primary key (case_id, difference)
);
