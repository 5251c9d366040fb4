-- So many invented persons, each with a community officer and one sentence, in a Delius that has the reference data of
-- the development environment.
create temporary table invented as
select number,
       'Y' || lpad(number::text, 6, '0') as crn,
       'B' || lpad((number % 10000)::text, 4, '0') || chr(65 + (number / 10000 / 26) % 26)
           || chr(65 + (number / 10000) % 26) as noms
from generate_series(0, :persons - 1) as number;

insert into offender (crn, noms_number, current_tier)
select crn, noms,
       (select standard_reference_list_id
        from r_standard_reference_list join r_reference_data_master using (reference_data_master_id)
        where code_set_name = 'TIER' and code_value = 'UB2')
from invented;

create temporary table invented_offender as
select offender_id from offender where crn like 'Y%';

with officer as (
    select staff_id, team_id, probation_area_id
    from staff join staff_team using (staff_id) where officer_code = 'N07A007'),
assigned as (
    insert into offender_manager (offender_id, team_id, allocation_staff_id, probation_area_id, allocation_date)
    select offender_id, team_id, staff_id, probation_area_id, '2025-11-03 10:00:00'
    from invented_offender cross join officer
    returning offender_manager_id, offender_id)
insert into responsible_officer (offender_id, offender_manager_id, start_date)
select offender_id, offender_manager_id, '2025-11-03 10:00:00' from assigned;

with sentence as (
    insert into event (offender_id) select offender_id from invented_offender returning event_id),
sentenced as (
    insert into disposal (event_id) select event_id from sentence returning disposal_id)
insert into custody (disposal_id, prisoner_number, custodial_status_id)
select disposal_id, 'AB1000',
       (select standard_reference_list_id
        from r_standard_reference_list join r_reference_data_master using (reference_data_master_id)
        where code_set_name = 'THROUGHCARE STATUS' and code_value = 'D')
from sentenced;
