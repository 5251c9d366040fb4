-- Everything a case record says of the persons asked for, one row each, in one round trip. Each joined part picks one
-- row per person (place = 1) and states its whole order, ties included. Rows dated in the future do not count yet.
select person.crn,
       person.noms_number,
       (select count(*) from offender other
         where other.noms_number = person.noms_number and other.soft_deleted = 0
           and other.offender_id <> person.offender_id) as noms_sharers,
       tier.code_value              as tier_code,
       tier.code_description        as tier_description,
       decision.code_value          as decision_code,
       com.officer_code,
       com.forename,
       com.middle_name,
       com.surname,
       com.user_name,
       com.team_code,
       com.team_description,
       com.unit_code,
       com.unit_description,
       mappa.registration_date      as mappa_start,
       mappa.next_review_date       as mappa_review,
       mappa.level_code             as mappa_level_code,
       mappa.level_description      as mappa_level_description,
       mappa.category_code          as mappa_category_code,
       mappa.category_description   as mappa_category_description,
       (select count(*) from registration vlo
          join r_register_type vlo_type on vlo_type.register_type_id = vlo.register_type_id
         where vlo.offender_id = person.offender_id and vlo.soft_deleted = 0 and vlo.deregistered = 0
           and vlo_type.code in ('DASO', 'INVI')) as vlo_registrations,
       rosh.code                    as rosh_code,
       rosh.registration_date       as rosh_start
from offender person
left join r_standard_reference_list tier on tier.standard_reference_list_id = person.current_tier
left join (
    select allocation.offender_id, decided.code_value,
           row_number() over (partition by allocation.offender_id
                              order by allocation.allocation_decision_date desc nulls last,
                                       allocation.case_allocation_id desc) as place
    from case_allocation allocation
    join event on event.event_id = allocation.event_id
    join r_standard_reference_list decided on decided.standard_reference_list_id = allocation.allocation_decision_id
    where allocation.offender_id in (select asked.offender_id from offender asked
                                      where asked.crn in (:crns) or asked.noms_number in (:noms))
      and (allocation.allocation_decision_date is null or allocation.allocation_decision_date <= :now)
      and event.active_flag = 1 and event.soft_deleted = 0
      and event.event_id in (select disposal.event_id from disposal
                              where disposal.event_id = event.event_id
                                and disposal.active_flag = 1 and disposal.soft_deleted = 0)
) decision on decision.offender_id = person.offender_id and decision.place = 1
left join (
    select manager.offender_id, staff.officer_code, staff.forename, staff.forename2 as middle_name, staff.surname,
           (select user_.distinguished_name from user_
             where user_.user_id = (select min(first_user.user_id) from user_ first_user
                                     where first_user.staff_id = staff.staff_id)) as user_name,
           team.code as team_code, team.description as team_description,
           unit.code as unit_code, unit.description as unit_description,
           row_number() over (partition by manager.offender_id
                              order by manager.allocation_date desc, manager.offender_manager_id desc) as place
    from offender_manager manager
    left join staff on staff.staff_id = manager.allocation_staff_id
    left join team on team.team_id = manager.team_id
    left join district unit on unit.district_id = team.district_id
    where manager.offender_id in (select asked.offender_id from offender asked
                                   where asked.crn in (:crns) or asked.noms_number in (:noms))
      and manager.active_flag = 1 and manager.soft_deleted = 0 and manager.allocation_date <= :now
) com on com.offender_id = person.offender_id and com.place = 1
left join (
    select registered.offender_id, registered.registration_date, registered.next_review_date,
           level_.code_value as level_code, level_.code_description as level_description,
           category.code_value as category_code, category.code_description as category_description,
           row_number() over (partition by registered.offender_id
                              order by registered.registration_date desc, registered.created_datetime desc,
                                       registered.registration_id desc) as place
    from registration registered
    join r_register_type type_ on type_.register_type_id = registered.register_type_id
    left join r_standard_reference_list level_ on level_.standard_reference_list_id = registered.register_level_id
    left join r_standard_reference_list category
        on category.standard_reference_list_id = registered.register_category_id
    where registered.offender_id in (select asked.offender_id from offender asked
                                      where asked.crn in (:crns) or asked.noms_number in (:noms))
      and registered.soft_deleted = 0 and registered.deregistered = 0 and registered.registration_date <= :now
      and type_.code = 'MAPP'
) mappa on mappa.offender_id = person.offender_id and mappa.place = 1
left join (
    select registered.offender_id, registered.registration_date, type_.code,
           row_number() over (partition by registered.offender_id
                              order by registered.registration_date desc, registered.created_datetime desc,
                                       registered.registration_id desc) as place
    from registration registered
    join r_register_type type_ on type_.register_type_id = registered.register_type_id
    where registered.offender_id in (select asked.offender_id from offender asked
                                      where asked.crn in (:crns) or asked.noms_number in (:noms))
      and registered.soft_deleted = 0 and registered.deregistered = 0 and registered.registration_date <= :now
      and type_.code in ('RLRH', 'RMRH', 'RHRH', 'RVRH')
) rosh on rosh.offender_id = person.offender_id and rosh.place = 1
where person.soft_deleted = 0 and (person.crn in (:crns) or person.noms_number in (:noms))
order by person.crn
