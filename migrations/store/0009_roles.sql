-- The roles that may run the service, so that `migrate` can give them what a later version's tables need: nobody has to
-- remember it between a migration and the start of the new version.
create table service_roles (
    role       name        primary key,
    allowed_at timestamptz not null default clock_timestamp()
);

-- The triggers stop mistakes; this stops the service itself: it may add and read what is append-only, and no more. It sees since when other roles' transactions run, which hold the journal back. Who may not
-- give that right is told; the journal then says that it does not know how far it lags while such a transaction runs.
create function grant_service(service name) returns void language plpgsql as $$
declare
    kept text;
begin
    execute format('grant usage on schema %I to %I', current_schema(), service);
    for kept in
        select quote_ident(table_name) from information_schema.tables
        where table_schema = current_schema() and table_type = 'BASE TABLE'
    loop
        if kept in ('events', 'journal', 'journal_subtrees', 'checkpoints', 'access_log', 'message_receipts',
                    'parked_decisions', 'outbox_attempts', 'parkings', 'erasure_requests', 'waiting_decisions',
                    'bulk_decisions', 'reconcile_runs', 'reconcile_accepted')
        then
            execute format('revoke all on %s from %I', kept, service);
            execute format('grant select, insert on %s to %I', kept, service);
        elsif kept = 'parked_messages' then
            execute format('revoke all on %s from %I', kept, service);
            execute format('grant select, insert, update on %s to %I', kept, service);
        elsif kept in ('_sqlx_migrations', 'erasures', 'erasure_salt') then
            execute format('revoke all on %s from %I', kept, service);
            execute format('grant select on %s to %I', kept, service);
        else
            execute format('grant select, insert, update, delete on %s to %I', kept, service);
        end if;
    end loop;
    -- The only ways to remove data: an erasure, which records what it does, and the pruning of what no history shows.
    execute format('grant execute on function erase_person(text[], text[], text[], text, text) to %I', service);
    execute format('grant execute on function prune_change_feed_receipts(integer) to %I', service);
    execute format('grant usage, select on all sequences in schema %I to %I', current_schema(), service);
    begin
        execute format('grant pg_read_all_stats to %I', service);
    exception when insufficient_privilege then
        raise warning 'grant pg_read_all_stats to %: only an administrator may; without it the lag of the journal is '
            'unknown while a transaction of another role runs', service;
    end;
end $$;

-- To be called once for the role that the service connects as (which should not own the tables):
--     select allow_service('pom_cases');
create function allow_service(service name) returns void language plpgsql as $$
begin
    insert into service_roles (role) values (service) on conflict do nothing;
    perform grant_service(service);
    execute format('revoke insert, update, delete on service_roles from %I', service);
end $$;

-- Once more for everybody who was allowed; `migrate` does it. Who is gone is left out.
create function allow_services_again() returns setof name language plpgsql as $$
declare
    service name;
begin
    for service in select role from service_roles where role in (select rolname from pg_roles) order by role
    loop
        perform allow_service(service);
        return next service;
    end loop;
end $$;
