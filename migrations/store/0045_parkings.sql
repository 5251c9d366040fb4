-- Every parking of a message with what was known then: a message that is parked again for another reason must not
-- change what the history told of the time before. Kept by a trigger, so that every version of the service keeps it.
-- Nothing is parked between the copy below and the trigger that takes over from it.
-- older versions survive this: what they park waits for the end of this migration.
lock table parked_messages in share row exclusive mode;

create table parkings (
    id         bigint      generated always as identity primary key,
    parked_id  bigint      not null references parked_messages (id),
    event_type text,
    case_id    text,
    reason     text        not null,
    detail     text        not null,
    at         timestamptz not null default clock_timestamp()
);
create index parkings_by_message on parkings (parked_id);
create index parkings_by_case on parkings (case_id);

insert into parkings (parked_id, event_type, case_id, reason, detail, at)
select id, event_type, case_id, reason, detail, recorded_at from parked_messages order by id;

-- older versions survive this: they do not know the table.
create trigger parkings_are_append_only before update or delete on parkings
    for each row execute function refuse_change();
-- older versions survive this: they do not know the table.
create trigger parkings_are_never_truncated before truncate on parkings
    for each statement execute function refuse_change();

-- With the rights of the owner: the service may not have been given any on the new table yet.
create function keep_parking() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into parkings (parked_id, event_type, case_id, reason, detail)
    values (new.id, new.event_type, new.case_id, new.reason, new.detail);
    return null;
end $$;
-- older versions survive this: it refuses nothing and runs with the rights of the owner.
create trigger parked_messages_keep_their_parkings after insert or update of reason, detail on parked_messages
    for each row execute function keep_parking();
