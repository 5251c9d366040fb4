-- Claims heads that are due. A claimed row is due again when its lease ends, so the rows that are worked on are not looked
-- at, and a claim costs the same whatever waits behind the heads.
--
-- The time of the statement, not the clock: only a stable value can bound the scan of the index `outbox_due_heads`.
with due as (
    select id, attempt, leased_by, lease_until is not null as lost
    from outbox
    where is_head and state = 'pending' and available_at <= statement_timestamp()
    order by available_at
    limit $1
    for update skip locked
),
lost as (
    insert into outbox_attempts (outbox_id, attempt, worker, error)
    select id, attempt, coalesce(leased_by, ''), $4 from due where lost
    on conflict do nothing
)
update outbox
set attempt = outbox.attempt + 1, leased_by = $2,
    lease_until = clock_timestamp() + make_interval(secs => $3),
    available_at = clock_timestamp() + make_interval(secs => $3),
    unknown_failures = outbox.unknown_failures + due.lost::integer,
    last_error = case when due.lost then $4 else outbox.last_error end,
    failing_since = case when due.lost then null else outbox.failing_since end
from due
where outbox.id = due.id
returning outbox.id, case_id, sequence, ordinal, intent, outbox.attempt, unknown_failures, created_at, last_error,
          extract(epoch from clock_timestamp() - failing_since)::double precision as failing_seconds,
          exists (select from identity_facts known where known.one = outbox.case_id)
              or exists (select from identity_facts known where known.other = outbox.case_id) as identity_known,
          (select metadata from events
           where aggregate_type = 'case' and aggregate_id = outbox.case_id and events.sequence = outbox.sequence) as cause
