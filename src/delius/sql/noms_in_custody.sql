select person.noms_number
from offender person
join event on event.offender_id = person.offender_id
join disposal on disposal.event_id = event.event_id
join custody on custody.disposal_id = disposal.disposal_id
left join r_standard_reference_list status on status.standard_reference_list_id = custody.custodial_status_id
where person.soft_deleted = 0 and person.noms_number > :after
  and event.active_flag = 1 and event.soft_deleted = 0
  and disposal.active_flag = 1 and disposal.soft_deleted = 0 and custody.soft_deleted = 0
group by person.noms_number
having count(*) = 1
   and max(length(trim(custody.prisoner_number))) > 0
   and max(case when status.code_value = 'P' then 1 else 0 end) = 0
order by person.noms_number
fetch first :page rows only
