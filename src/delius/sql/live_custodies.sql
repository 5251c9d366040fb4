select custody.custody_id
from event
join disposal on disposal.event_id = event.event_id
join custody on custody.disposal_id = disposal.disposal_id
where event.offender_id = :offender_id and event.active_flag = 1 and event.soft_deleted = 0
  and disposal.active_flag = 1 and disposal.soft_deleted = 0 and custody.soft_deleted = 0
order by custody.custody_id
