-- As before, and: the service sees since when other roles' transactions run, which hold the journal back. Who may not
-- give that right is told; the journal then says that it does not know how far it lags while such a transaction runs.
create or replace function grant_service(service name) returns void language plpgsql as $$
declare
    kept text;
begin
    execute format('grant usage on schema %I to %I', current_schema(), service);
    for kept in
        select quote_ident(table_name) from information_schema.tables
        where table_schema = current_schema() and table_type = 'BASE TABLE'
    loop
        if kept in ('events', 'journal', 'access_log', 'message_receipts', 'parked_decisions', 'outbox_attempts',
                    'parkings')
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
    begin
        execute format('grant pg_read_all_stats to %I', service);
    exception when insufficient_privilege then
        raise warning 'grant pg_read_all_stats to %: only an administrator may; without it the lag of the journal is '
            'unknown while a transaction of another role runs', service;
    end;
end $$;
