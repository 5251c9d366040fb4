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

-- What became of the messages of a run.
create index message_receipts_of_bulk_runs on message_receipts (message_id) where message_id like 'bulk:%';
