-- The live custodies of a person with their key dates of two types. Soft-deleted dates too: they hold their dates under the
-- unique key.
select custody.custody_id, due.key_date_id, coalesce(due.row_version, 0) as row_version, due.key_date_type_id,
       due.key_date, due.soft_deleted
from event
join disposal on disposal.event_id = event.event_id
join custody on custody.disposal_id = disposal.disposal_id
left join key_date due
    on due.custody_id = custody.custody_id and due.key_date_type_id in (:start_type, :handover_type)
where event.offender_id = :offender_id and event.active_flag = 1 and event.soft_deleted = 0
  and disposal.active_flag = 1 and disposal.soft_deleted = 0 and custody.soft_deleted = 0
order by custody.custody_id, due.key_date_id
