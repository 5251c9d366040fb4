-- Invented prisons, staff and cases. Every person here is made up. The case numbers match event-samples/ and
-- mpc-answers.json: X100007 is A1007AA, and so on.

create function pg_temp.reference(set_name text, wanted text) returns bigint language sql as $$
    select standard_reference_list_id
    from r_standard_reference_list
    join r_reference_data_master using (reference_data_master_id)
    where code_set_name = set_name and code_value = wanted
$$;

create function pg_temp.staff(wanted text) returns bigint language sql as $$
    select staff_id from staff where officer_code = wanted
$$;

create function pg_temp.team(wanted text) returns bigint language sql as $$
    select team_id from team where code = wanted
$$;

create function pg_temp.provider(wanted text) returns bigint language sql as $$
    select probation_area_id from probation_area where code = wanted
$$;

-- Prisons: each is a provider with a POM team and a team for who is not allocated, held by a placeholder.
create function pg_temp.prison(nomis text, provider text, name text) returns void language plpgsql as $$
declare
    institution bigint;
    area bigint;
    unit bigint;
begin
    insert into r_institution (code, nomis_cde_code, description) values (nomis, nomis, name) returning institution_id into institution;
    insert into probation_area (code, description, institution_id) values (provider, name, institution)
        returning probation_area_id into area;
    insert into district (code, description) values (provider || 'LDU', left(name, 30)) returning district_id into unit;
    insert into team (code, description, probation_area_id, district_id)
    values (provider || 'POM', 'Prison Offender Managers', area, unit), (provider || 'ALL', 'Unallocated Team', area, unit);
    insert into staff (officer_code, forename, surname, probation_area_id, start_date)
    values (provider || 'ALLU', 'Unallocated', 'Staff', area, '2015-01-01');
    insert into staff_team (staff_id, team_id) values (pg_temp.staff(provider || 'ALLU'), pg_temp.team(provider || 'ALL'));
end $$;

select pg_temp.prison('LEI', 'N03', 'Leeds (HMP)'),
       pg_temp.prison('MDI', 'N04', 'Moorland (HMP & YOI)'),
       pg_temp.prison('WEI', 'N05', 'Wealstun (HMP)');

create function pg_temp.member(code text, given text, middle text, family text, team_code text) returns void
    language plpgsql as $$
declare
    id bigint;
begin
    insert into staff (officer_code, forename, forename2, surname, probation_area_id, start_date)
    values (code, given, middle, family, pg_temp.provider(left(code, 3)), '2020-03-02')
    returning staff_id into id;
    insert into staff_team (staff_id, team_id) values (id, pg_temp.team(team_code));
end $$;

-- A POM whom Delius knows already; the others in the samples are created when they are first allocated.
select pg_temp.member('N03A001', 'Oona', null, 'Featherstone', 'N03POM');

-- The community side: one provider, two teams in two local delivery units, and its own placeholder.
insert into probation_area (code, description) values ('N07', 'Humber and Wolds');
insert into district (code, description) values ('N07LDU1', 'LDU one'), ('N07LDU2', 'LDU two');
insert into team (code, description, probation_area_id, district_id)
select code, description, pg_temp.provider('N07'), (select district_id from district where district.code = ldu)
from (values ('N07T01', 'Team one', 'N07LDU1'), ('N07T02', 'Team two', 'N07LDU2'),
             ('N07UAT', 'Unallocated Team', 'N07LDU1')) as team (code, description, ldu);
select pg_temp.member('N07A007', 'Ada', 'Mary', 'Thistlewood', 'N07T01'),
       pg_temp.member('N07A008', 'Caspar', null, 'Moonlight', 'N07T02'),
       pg_temp.member('N07UATU', 'Unallocated', null, 'Staff', 'N07UAT');
insert into user_ (distinguished_name, staff_id)
values ('AdaThistlewood', pg_temp.staff('N07A007')), ('CasparMoonlight', pg_temp.staff('N07A008'));

-- A person with a COM. The COM is responsible until a POM is (see pg_temp.held_by).
create function pg_temp.person(number int, com text, tier text, linked boolean) returns void language plpgsql as $$
declare
    person bigint;
    com_row bigint;
    com_team bigint := (select team_id from staff_team where staff_id = pg_temp.staff(com));
begin
    insert into offender (crn, noms_number, current_tier)
    values ('X1' || lpad(number::text, 5, '0'),
            case when linked then 'A1' || lpad(number::text, 3, '0') || 'AA' end,
            pg_temp.reference('TIER', tier))
    returning offender_id into person;
    insert into offender_manager (offender_id, team_id, allocation_staff_id, probation_area_id, allocation_date)
    values (person, com_team, pg_temp.staff(com), pg_temp.provider('N07'), '2025-11-03 10:00:00')
    returning offender_manager_id into com_row;
    insert into responsible_officer (offender_id, offender_manager_id, start_date)
    values (person, com_row, '2025-11-03 10:00:00');
end $$;

create function pg_temp.offender(number int) returns bigint language sql as $$
    select offender_id from offender where crn = 'X1' || lpad(number::text, 5, '0')
$$;

-- A custodial sentence, with key dates when they are given.
create function pg_temp.sentence(number int, handover_start date default null, handover date default null)
    returns void language plpgsql as $$
declare
    event_row bigint;
    disposal_row bigint;
    custody_row bigint;
begin
    insert into event (offender_id) values (pg_temp.offender(number)) returning event_id into event_row;
    insert into disposal (event_id) values (event_row) returning disposal_id into disposal_row;
    insert into custody (disposal_id, prisoner_number, custodial_status_id)
    values (disposal_row, 'AB' || (1000 + number), pg_temp.reference('THROUGHCARE STATUS', 'D'))
    returning custody_id into custody_row;
    insert into key_date (custody_id, key_date_type_id, key_date)
    select custody_row, pg_temp.reference('THROUGHCARE DATE TYPE', type), value
    from (values ('POM1', handover_start), ('POM2', handover)) as dates (type, value)
    where value is not null;
end $$;

-- A prison offender manager since the given moment, who is the responsible officer from then on.
create function pg_temp.held_by(number int, officer text, since timestamp) returns void language plpgsql as $$
declare
    pom bigint;
    team_row bigint := (select min(team_id) from staff_team where staff_id = pg_temp.staff(officer));
begin
    insert into prison_offender_manager (offender_id, allocation_date, allocation_reason_id, allocation_staff_id,
                                         allocation_team_id, probation_area_id)
    values (pg_temp.offender(number), since, pg_temp.reference('POM ALLOCATION REASON', 'AUT'), pg_temp.staff(officer),
            team_row, pg_temp.provider(left(officer, 3)))
    returning prison_offender_manager_id into pom;
    update responsible_officer set end_date = since where offender_id = pg_temp.offender(number) and end_date is null;
    insert into responsible_officer (offender_id, prison_offender_manager_id, start_date)
    values (pg_temp.offender(number), pom, since);
end $$;

create function pg_temp.registered(number int, type text, level text, category text, since date)
    returns void language sql as $$
    insert into registration (offender_id, register_type_id, register_level_id, register_category_id,
                              registration_date, next_review_date)
    select pg_temp.offender(number), register_type_id, pg_temp.reference('REGISTER LEVEL', level),
           pg_temp.reference('REGISTER CATEGORY', category), since, since + 182
    from r_register_type where code = type
$$;

-- Persons 1 to 28, without 18 and 25, whom Delius does not know. 20 has no NOMS number yet. The COM of 2 is the placeholder.
select pg_temp.person(number,
                      case when number = 2 then 'N07UATU' when number % 2 = 1 then 'N07A007' else 'N07A008' end,
                      (array['UB2', 'UA1', 'UC3', 'UD0'])[1 + number % 4],
                      number <> 20)
from generate_series(1, 28) as number where number not in (18, 25);

-- One sentence each; the dates of 12, 13 and 14 are known. 16 has no sentence, 17 has two.
select pg_temp.sentence(number) from generate_series(1, 28) as number where number not in (12, 13, 14, 16, 18, 25);
select pg_temp.sentence(17),
       pg_temp.sentence(12, '2027-01-04', '2027-03-01'),
       pg_temp.sentence(13, '2027-01-04', '2027-03-01'),
       pg_temp.sentence(14, '2027-05-10', '2027-07-05');

-- 1 waits for a POM and is held by the placeholder of the prison; 3, 4 and 6 have a POM.
select pg_temp.held_by(1, 'N03ALLU', '2026-05-18 14:30:00'),
       pg_temp.held_by(3, 'N03A001', '2026-02-02 09:15:00'),
       pg_temp.held_by(4, 'N03A001', '2026-02-02 09:20:00'),
       pg_temp.held_by(6, 'N03A001', '2026-03-16 11:00:00');

-- What Manage POM Cases reads back. 1 has everything; 3 has a MAPPA registration without a level.
select pg_temp.registered(1, 'MAPP', 'M2', 'M1', '2026-04-01'),
       pg_temp.registered(1, 'RVRH', null, null, '2026-03-14'),
       pg_temp.registered(1, 'DASO', null, null, '2026-03-20'),
       pg_temp.registered(3, 'MAPP', null, null, '2026-01-15'),
       pg_temp.registered(4, 'RHRH', null, null, '2026-02-20'),
       pg_temp.registered(6, 'INVI', null, null, '2026-02-21');
insert into case_allocation (offender_id, event_id, allocation_decision_id, allocation_decision_date)
select offender_id, event_id, pg_temp.reference('CASE ALLOCATION DECISION', case crn when 'X100001' then 'R' else 'A' end),
       '2025-12-01 09:00:00'
from event join offender using (offender_id) where crn in ('X100001', 'X100003', 'X100004');
