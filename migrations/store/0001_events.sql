-- The events of every case: the only truth of this database. All else is derived from them.
-- The seven named columns are those that postgres-es reads and writes; the rest is filled by default.
create table events (
    aggregate_type text        not null,
    aggregate_id   text        not null, -- NOMS number
    sequence       bigint      not null check (sequence > 0),
    event_type     text        not null,
    event_version  text        not null,
    payload        jsonb       not null,
    metadata       jsonb       not null,
    id             bigint      generated always as identity,
    xid            xid8        not null default pg_current_xact_id(), -- order of the journal: see its migration
    recorded_at    timestamptz not null default clock_timestamp() check (isfinite(recorded_at)),
    primary key (aggregate_type, aggregate_id, sequence)
);
create index events_by_commit on events (xid, id);
-- From a row in Delius back to the events that changed it.
create index events_by_delius_row on events using gin ((payload #> '{outcome,changes}') jsonb_path_ops)
    where event_type = 'DeliusUpdated';

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege';
end $$;

create trigger events_are_append_only before update or delete on events
    for each row execute function refuse_change();
create trigger events_are_never_truncated before truncate on events
    for each statement execute function refuse_change();

-- What follows is kept in the same transaction as the events.

-- Every name that Manage POM Cases ever gave to a staff code; the latest wins.
create table staff_directory (
    staff_code bigint      primary key,
    forename   text        not null,
    surname    text        not null,
    email      text,
    learned_at timestamptz not null
);

-- Which member of staff in Delius each staff code of a prison was written to last. Delius has no column for the code, and
-- a name alone neither tells two people apart nor recognises one whose name changed.
create table delius_staff (
    prison     text        not null,
    staff_code bigint      not null,
    staff_id   bigint      not null,
    written_at timestamptz not null,
    primary key (prison, staff_code)
);

-- Allocations that wait until the name behind their staff code is known.
create table unreflected_allocations (
    case_id    text   not null,
    sequence   bigint not null,
    staff_code bigint not null,
    primary key (case_id, sequence)
);
create index unreflected_allocations_by_code on unreflected_allocations (staff_code);
