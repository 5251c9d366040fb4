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
