-- A batch of appends, each to another case: events, outbox rows, receipts and everything else that follows from the
-- events, in one statement and so in one transaction.
--
-- A part between `-- [name` and `-- ]` is left out when its parameters are empty: the server would start and end each of
-- its inserts for nothing.
--
-- $1-$8: the appends. `expected` is the sequence of the last event that the command was decided on. An append that
-- records what became of a write names the write, the state (and attempt) in which its outbox row has to be, and the
-- state in which it leaves it.
with request as (
    select *
    from unnest($1::integer[], $2::text[], $3::bigint[], $4::bigint[], $5::integer[], $6::text[], $7::integer[], $8::text[])
        as request (append, case_id, expected, write_sequence, write_ordinal, state_before, attempt, state_after)
),
-- The event that the command was decided on has to be there: a store that was restored to an earlier state must not get
-- a gap from what a process remembers. That nothing came after it is held by the primary key of `events`.
based as (
    select request.*
    from request
    -- A value and not a test for existence, which could be answered by reading the events of all cases once.
    where expected = 0
       or (select sequence from events
           where aggregate_type = 'case' and aggregate_id = request.case_id and sequence = request.expected) = expected
),
finished as (
    update outbox
    set state = based.state_after, lease_until = null, leased_by = null, unknown_failures = 0,
        failing_since = null, available_at = clock_timestamp(),
        is_head = based.state_after in ('pending', 'parked'),
        finished_at = case when based.state_after in ('done', 'skipped') then clock_timestamp() end
    from based
    where outbox.case_id = based.case_id and outbox.sequence = based.write_sequence
      and outbox.ordinal = based.write_ordinal and outbox.state = based.state_before
      and (based.attempt is null or outbox.attempt = based.attempt)
    returning based.append, outbox.id, outbox.is_head
),
-- A worker that lost its lease finds its row in another state and appends nothing.
granted as (
    select append, case_id, expected
    from based
    where write_sequence is null or exists (select from finished where finished.append = based.append)
),
-- $9-$14: the events.
appended as (
    insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
    select 'case', granted.case_id, granted.expected + event.place, event.event_type, event.event_version, event.payload,
           event.metadata
    from unnest($9::integer[], $10::bigint[], $11::text[], $12::text[], $13::jsonb[], $14::jsonb[])
        as event (append, place, event_type, event_version, payload, metadata)
    join granted using (append)
    -- Always in the order of the cases, so that two batches cannot wait for each other.
    order by event.append, event.place
    returning aggregate_id, sequence, recorded_at
),
-- The lowest unfinished write of the case, if there is one beside those that are added below. Two appends to one case
-- never run at the same time (the key of `events` orders them), so nobody changes this meanwhile.
head as (
    select granted.append, head.id, head.is_head
    from granted
    cross join lateral (
        select outbox.id, outbox.is_head
        from outbox
        where outbox.case_id = granted.case_id and outbox.state in ('pending', 'parked')
          and not exists (select from finished where finished.id = outbox.id and not finished.is_head)
        order by outbox.sequence, outbox.ordinal
        limit 1
    ) head
),
promoted as (
    update outbox set is_head = true from head where outbox.id = head.id and not head.is_head
)
-- [message
-- $15-$21: the writes that the events mean. The first one of a case without unfinished writes is its head.
, derived as (
    insert into outbox (id, case_id, sequence, ordinal, kind, intent, is_head)
    select write.id, granted.case_id, granted.expected + write.place, write.ordinal, write.kind, write.intent,
           write.first and not exists (select from head where head.append = write.append)
    from unnest($15::integer[], $16::uuid[], $17::bigint[], $18::integer[], $19::text[], $20::jsonb[], $21::boolean[])
        as write (append, id, place, ordinal, kind, intent, first)
    join granted using (append)
    order by write.append, write.place, write.ordinal
)
-- $22-$27: the receipts of the messages, recorded after their events.
, received as (
    insert into message_receipts
        (message_id, event_type, case_id, disposition, body_sha256, receive_count, received_at)
    select receipt.message_id, receipt.event_type, granted.case_id, 'recorded', receipt.body_sha256,
           receipt.receive_count, receipt.received_at
    from unnest($22::integer[], $23::text[], $24::text[], $25::text[], $26::integer[], $27::timestamptz[])
        as receipt (append, message_id, event_type, body_sha256, receive_count, received_at)
    join granted using (append)
    where (select count(*) from appended) > 0
)
-- ]
-- [outcome
-- $39-$44: notices of applied writes for the outcome topic.
, noticed as (
    insert into outcome_notices (write_id, case_id, outcome, occurred_at, applied_at, traceparent)
    select notice.write_id, granted.case_id, notice.outcome,
           (select (payload -> 'provenance' ->> 'occurredAt')::timestamptz
            from events
            where aggregate_type = 'case' and aggregate_id = granted.case_id and sequence = notice.sequence),
           notice.applied_at, notice.traceparent
    from unnest($39::integer[], $40::uuid[], $41::bigint[], $42::text[], $43::timestamptz[], $44::text[])
        as notice (append, write_id, sequence, outcome, applied_at, traceparent)
    join granted using (append)
    on conflict do nothing
)
-- $52-$56: whom in Delius a staff code of a prison was written to.
, written as (
    insert into delius_staff as known (prison, staff_code, staff_id, written_at)
    select distinct on (officer.prison, officer.staff_code)
           officer.prison, officer.staff_code, officer.staff_id, officer.written_at
    from unnest($52::integer[], $53::text[], $54::bigint[], $55::bigint[], $56::timestamptz[])
        as officer (append, prison, staff_code, staff_id, written_at)
    join granted using (append)
    where (select known.written_at >= officer.written_at or known.staff_id = officer.staff_id
           from delius_staff known
           where (known.prison, known.staff_code) = (officer.prison, officer.staff_code)) is not true
    order by officer.prison, officer.staff_code, officer.written_at desc
    on conflict (prison, staff_code) do update
    set staff_id = excluded.staff_id, written_at = excluded.written_at
    where known.written_at < excluded.written_at
)
-- ]
-- [person
-- $28-$33: names behind staff codes. What is known already is left alone: an upsert would lock its row.
, learned as (
    insert into staff_directory as known (staff_code, forename, surname, email, learned_at)
    select distinct on (name.staff_code) name.staff_code, name.forename, name.surname, name.email, name.learned_at
    from unnest($28::integer[], $29::bigint[], $30::text[], $31::text[], $32::text[], $33::timestamptz[])
        as name (append, staff_code, forename, surname, email, learned_at)
    join granted using (append)
    where (select known.learned_at >= name.learned_at
                  or (known.forename, known.surname, known.email)
                     is not distinct from (name.forename, name.surname, name.email)
           from staff_directory known
           where known.staff_code = name.staff_code) is not true
    order by name.staff_code, name.learned_at desc
    on conflict (staff_code) do update
    set forename = excluded.forename, surname = excluded.surname, email = excluded.email,
        learned_at = excluded.learned_at
    where known.learned_at < excluded.learned_at
)
-- $34-$36: allocations that wait for a name, and $37-$38 those that no longer do.
, unreflected as (
    insert into unreflected_allocations (case_id, sequence, staff_code)
    select granted.case_id, granted.expected + waiting.place, waiting.staff_code
    from unnest($34::integer[], $35::bigint[], $36::bigint[]) as waiting (append, place, staff_code)
    join granted using (append)
    on conflict do nothing
)
, reflected as (
    delete from unreflected_allocations
    using unnest($37::integer[], $38::bigint[]) as reflected (append, sequence)
    join granted using (append)
    where unreflected_allocations.case_id = granted.case_id and unreflected_allocations.sequence = reflected.sequence
)
-- $45-$51: what the events say about the identifiers of persons.
, identified as (
    insert into identity_facts (case_id, sequence, ordinal, kind, one, other, at, recorded_at)
    select granted.case_id, appended.sequence, fact.ordinal, fact.kind, fact.one, fact.other, fact.at,
           appended.recorded_at
    from unnest($45::integer[], $46::bigint[], $47::integer[], $48::text[], $49::text[], $50::text[], $51::timestamptz[])
        as fact (append, place, ordinal, kind, one, other, at)
    join granted using (append)
    join appended on appended.aggregate_id = granted.case_id and appended.sequence = granted.expected + fact.place
)
-- ]
select request.append,
       exists (select from based where based.append = request.append) as based,
       exists (select from granted where granted.append = request.append) as granted
from request
order by request.append
