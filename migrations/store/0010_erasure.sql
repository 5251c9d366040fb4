-- Erasure: the one way in which data leaves this database. `erase_person` removes everything that identifies a person and
-- keeps the leaves of the journal, which reveal nothing without their salts. It runs with the rights of the owner of the
-- tables, so that the role of the service needs no right to delete. A test knows for every column of every table whether
-- an erasure removes it, and fails for a column that it does not know.

-- Requests of the probation service to erase a person (probation-case.deleted.gdpr). An operator carries them out; the
-- erasure removes the request too. Leaves of the journal.
create table erasure_requests (
    id           bigint      generated always as identity primary key,
    message_id   text        not null unique,
    crn          text        not null,
    case_id      text,       -- NOMS number, where it was known when the request came
    body         bytea       not null, -- exactly as received
    requested_at timestamptz not null,
    recorded_at  timestamptz not null default clock_timestamp(),
    xid          xid8        not null default pg_current_xact_id() -- the order of the journal
);
create index erasure_requests_by_case on erasure_requests (case_id);
create index erasure_requests_by_commit on erasure_requests (xid, id);
create trigger erasure_requests_are_append_only before update or delete on erasure_requests
    for each row execute function refuse_change();
create trigger erasure_requests_are_never_truncated before truncate on erasure_requests
    for each statement execute function refuse_change();

-- What pseudonyms in `erasures` are derived with, beside the NOMS number: another store gives other pseudonyms.
create table erasure_salt (salt bytea not null check (octet_length(salt) = 32));
create unique index erasure_salt_is_one on erasure_salt ((true));
insert into erasure_salt select uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- Nothing that is append-only changes, except in an erasure. Only the owner of a table can come as far as its triggers:
-- the role of the service has no right to update or delete.
create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op in ('UPDATE', 'DELETE') and current_setting('pom_cases.erasing', true) = 'on' then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege';
end $$;

-- Erases a person, in the transaction of the caller: the streams of all NOMS numbers given, and what is kept under the CRNs
-- given. What was removed, by kind, or null when nothing was held.
create function erase_person(numbers text[], crns text[], pseudonyms text[], by_whom text, why text) returns jsonb
language plpgsql security definer set search_path from current as $$
declare
    leader    constant bigint := x'706f6d6a6f75726e'::bigint; -- the leader of the journal waits
    messages  text[];
    receipts  bigint[];
    parked    bigint[];
    writes    uuid[];
    codes     bigint[];
    names     text[]; -- the identifiers given, and what has the form of a CRN in the events
    erased    bigint[];
    counts    jsonb := '{}';
    removed   bigint;
begin
    if exists (select from unnest(numbers || crns) name where strpos(upper(why || ' ' || by_whom), name) > 0) then
        raise exception 'the reason is kept: it must not name the person' using errcode = 'invalid_parameter_value';
    end if;
    -- Staff whom only this person's record names. Before the locks: all other events may have to be read.
    select array_agg(staff_code) into codes
    from (select distinct (code #>> '{}')::bigint as staff_code
          from events, jsonb_path_query(payload, '$.**.code ? (@.type() == "number")') code
          where aggregate_id = any(numbers)) known
    where not exists (
        select from events
        where aggregate_id <> all(numbers)
          and payload @? format('$.** ? (@.code == %1$s || @.staffCode == %1$s)', staff_code)::jsonpath);

    perform pg_advisory_xact_lock(leader);
    -- Appends wait: one that decided on the events before must not add to a stream that is gone.
    lock table events, message_receipts, parked_messages, outbox in share row exclusive mode;

    -- Identifiers stand in quotes, which are escaped where a message stands in an envelope. A value that only looks like a
    -- CRN costs nobody anything: what is cached under it is read again. The CRN of somebody else, whom a message of this
    -- person names too, is left alone.
    select array_agg(distinct name) into names from (
        select unnest(numbers || crns) as name
        union select crn from case_records where noms_number = any(numbers)
        union select crn from erasure_requests where case_id = any(numbers)
        union select one from identity_facts where case_id = any(numbers) and kind = 'holds'
        union select quoted[1] from events, regexp_matches(payload::text, '[\\"]([A-Z][0-9]{6})[\\"]', 'g') quoted
              where aggregate_id = any(numbers)
    ) known
    where name = any(numbers || crns)
       or (not exists (select from identity_facts where kind = 'holds' and one = name and other <> all(numbers))
           and not exists (select from case_records where crn = name and noms_number <> all(numbers)));
    select array_agg(distinct parked_id) into parked from parkings where case_id = any(numbers);
    select array_agg(distinct message_id) into messages from (
        select metadata ->> 'messageId' as message_id from events where aggregate_id = any(numbers)
        union select message_id from message_receipts
              where case_id = any(numbers) or exists (select from unnest(names) name where strpos(detail, name) > 0)
        union select message_id from parked_messages where id = any(parked) or case_id = any(numbers)
        union select message_id from waiting_messages
              where case_id = any(numbers)
                 or exists (select from unnest(names) name where position(convert_to(name, 'UTF8') in body) > 0)
        union select message_id from erasure_requests where case_id = any(numbers) or crn = any(names)
    ) about where message_id is not null;
    -- Messages that never became known as being about the person, too.
    select array_agg(id) into parked from parked_messages
    where id = any(parked) or case_id = any(numbers) or message_id = any(messages)
       or exists (select from unnest(names) name where position(convert_to(name, 'UTF8') in body) > 0);
    select array_agg(distinct message_id) into messages from (
        select unnest(messages) as message_id union select message_id from parked_messages where id = any(parked)
    ) about;
    -- A message that became events of another person too keeps the receipt of that person.
    select array_agg(id) into receipts from message_receipts
    where case_id = any(numbers) or (message_id = any(messages) and case_id is null);
    select array_agg(id) into writes from outbox where case_id = any(numbers);

    select array_agg(position order by position) into erased from journal j where
        (source = 'event' and case_id = any(numbers))
        or (source = 'receipt' and source_id = any(receipts))
        or (source = 'parkedMessage' and source_id = any(parked))
        or (source = 'parking' and source_id in (
                select id from parkings where case_id = any(numbers) or parked_id = any(parked)))
        or (source = 'parkedDecision' and source_id in (select id from parked_decisions where parked_id = any(parked)))
        or (source = 'writeAttempt' and source_id in (select id from outbox_attempts where outbox_id = any(writes)))
        or (source = 'waitingDecision' and source_id in (
                select id from waiting_decisions where message_id = any(messages)))
        or (source = 'differenceAccepted' and source_id in (
                select id from reconcile_accepted where case_id = any(numbers)))
        or (source = 'erasureRequest' and source_id in (
                select id from erasure_requests where message_id = any(messages)))
        or (source = 'access' and source_id in (
                select id from access_log
                where case_id = any(numbers) or (action = 'parkedMessage' and position = any(parked))));

    perform set_config('pom_cases.erasing', 'on', true);
    delete from outbox_attempts where outbox_id = any(writes);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('writeAttempts', removed);
    delete from outbox where id = any(writes);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('writes', removed);
    delete from outcome_notices where case_id = any(numbers);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('notices', removed);
    delete from events where aggregate_id = any(numbers);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('events', removed);
    delete from unreflected_allocations where case_id = any(numbers);
    delete from parked_decisions where parked_id = any(parked);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('parkedDecisions', removed);
    delete from parkings where parked_id = any(parked) or case_id = any(numbers);
    delete from parked_messages where id = any(parked);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('parkedMessages', removed);
    delete from waiting_decisions where message_id = any(messages);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('waitingDecisions', removed);
    delete from waiting_messages where message_id = any(messages);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('waitingMessages', removed);
    delete from identity_facts where case_id = any(numbers);
    delete from message_receipts where id = any(receipts);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('receipts', removed);
    delete from case_records where noms_number = any(numbers) or crn = any(names);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('cachedRecords', removed);
    delete from delius_staff where staff_code = any(codes);
    delete from staff_directory where staff_code = any(codes);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('staff', removed);
    delete from reconcile_accepted where case_id = any(numbers);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('acceptedDifferences', removed);
    delete from erasure_requests where message_id = any(messages);
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('requests', removed);
    -- Who read the case stays, and no longer says which case it was.
    update access_log set case_id = null, position = null
    where case_id = any(numbers) or (action = 'parkedMessage' and position = any(parked));
    get diagnostics removed = row_count; counts := counts || jsonb_build_object('readings', removed);
    -- Runs that stand at this case begin a little before it when they are resumed.
    update bulk_runs set cursor = left(cursor, 3) where cursor = any(numbers);
    update rebuilds set last_case = left(last_case, 3) where last_case = any(numbers);

    if (select coalesce(sum(value::bigint), 0) from jsonb_each_text(counts)) = 0 then
        perform set_config('pom_cases.erasing', 'off', true);
        return null;
    end if;
    update journal set salt = null, case_id = null where position = any(erased);
    perform set_config('pom_cases.erasing', 'off', true);
    insert into erasures (by_whom, why, pseudonyms, positions, removed)
    values (erase_person.by_whom, erase_person.why, erase_person.pseudonyms, coalesce(erased, '{}'), counts);
    -- Every replica drops the records that it holds in memory.
    perform pg_notify('case_records', case when name = any(numbers) then name
                                           else name || ' ' || nextval('case_record_generation') end)
    from unnest(names) name;
    return counts;
end $$;
-- older versions survive this: only operators erase and only the service prunes, and older versions do neither.
revoke all on function erase_person(text[], text[], text[], text, text) from public;

-- Receipts of the change feed are no part of a history and no leaves of the journal: they are kept for a while to
-- recognise messages that are delivered again. How many were deleted.
create function prune_change_feed_receipts(days integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare
    pruned bigint;
begin
    if days < 14 then
        raise exception 'SQS delivers messages again for up to 14 days: receipts must be kept at least as long'
            using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('pom_cases.erasing', 'on', true);
    delete from message_receipts
    where disposition = 'changeFeed' and recorded_at < clock_timestamp() - make_interval(days => days);
    get diagnostics pruned = row_count;
    perform set_config('pom_cases.erasing', 'off', true);
    return pruned;
end $$;
-- older versions survive this: only operators erase and only the service prunes, and older versions do neither.
revoke all on function prune_change_feed_receipts(integer) from public;
