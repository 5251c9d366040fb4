-- Names are compared by the caller, in one normal form, and not by the database's language.
select staff.staff_id, staff.forename, staff.surname, case when member.staff_id is null then 0 else 1 end as in_team
from staff
left join staff_team member on member.staff_id = staff.staff_id and member.team_id = :team_id
where staff.probation_area_id = :provider_id and (staff.end_date is null or staff.end_date > :at)
order by staff.staff_id
