-- The journal: one order over the events of all cases, and the proof that nobody changed them since.
--
-- One leader at a time gives committed events the next dense positions, in the order (xid, id) and only below the
-- oldest transaction still running, so that nothing that commits late is skipped. Each hash is
-- SHA-256(hash of the position before, or 32 zero bytes ‖ canonical bytes of the event): see event_store/journal.
create table journal (
    position       bigint      primary key check (position > 0),
    aggregate_type text        not null,
    aggregate_id   text        not null,
    sequence       bigint      not null,
    event_xid      xid8        not null,
    event_id       bigint      not null,
    event_digest   bytea       not null check (octet_length(event_digest) = 32), -- SHA-256(canonical bytes)
    hash           bytea       not null check (octet_length(hash) = 32),
    entered_at     timestamptz not null default clock_timestamp(),
    unique (aggregate_type, aggregate_id, sequence)
);

create trigger journal_is_append_only before update or delete on journal
    for each row execute function refuse_change();
create trigger journal_is_never_truncated before truncate on journal
    for each statement execute function refuse_change();

-- The triggers stop mistakes; this stops the service itself. Give the role that the service connects as (which
-- should not own the tables) what it needs and no more:
--     select allow_service('pom_cases');
create function allow_service(service name) returns void language plpgsql as $$
declare
    kept text;
begin
    execute format('grant usage on schema %I to %I', current_schema(), service);
    for kept in
        select quote_ident(table_name) from information_schema.tables
        where table_schema = current_schema() and table_type = 'BASE TABLE'
    loop
        if kept in ('events', 'journal', 'access_log', 'message_receipts', 'parked_decisions', 'outbox_attempts')
        then
            execute format('revoke all on %s from %I', kept, service);
            execute format('grant select, insert on %s to %I', kept, service);
        elsif kept = '_sqlx_migrations' then
            execute format('grant select on %s to %I', kept, service);
        else
            execute format('grant select, insert, update, delete on %s to %I', kept, service);
        end if;
    end loop;
    execute format('grant usage, select on all sequences in schema %I to %I', current_schema(), service);
end $$;
