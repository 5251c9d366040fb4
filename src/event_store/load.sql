-- What is known of messages and of the cases that they are about: one row per message and new event of its case, or one
-- row without an event. `known` is the sequence up to which the caller knows the case already.
select question.question,
       parked.found as parked, accounted.found as accounted, accounted.case_id as accounted_case,
       events.sequence, events.event_type, events.event_version, events.payload::text as payload
from unnest($1::integer[], $2::text[], $3::text[], $4::bigint[]) as question (question, message_id, case_id, known)
cross join lateral (
    select exists (select from parked_messages
                   where message_id = question.message_id and state in ('parked', 'skipped')) as found
) parked
left join lateral (
    select true as found, case_id
    from message_receipts
    where message_id = question.message_id and disposition not in ('duplicate', 'parked')
    order by id
    limit 1
) accounted on true
left join lateral (
    select sequence, event_type, event_version, payload
    from events
    where aggregate_type = 'case' and aggregate_id = question.case_id and sequence > question.known
    order by sequence
) events on true
order by question.question, events.sequence
