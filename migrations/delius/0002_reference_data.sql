-- The user who signs the rows that nothing else signs (plain INSERTs during development), and the user who signs
-- what this service writes. Without the second the service does not start.
insert into user_ (distinguished_name) values ('DevelopmentData'), ('ManagePomCasesAndDelius');

insert into r_reference_data_master (code_set_name)
values ('POM ALLOCATION REASON'), ('THROUGHCARE DATE TYPE'), ('THROUGHCARE STATUS'), ('TIER'),
       ('CASE ALLOCATION DECISION'), ('REGISTER LEVEL'), ('REGISTER CATEGORY'), ('REGISTER TYPE FLAG');

insert into r_standard_reference_list (code_value, code_description, reference_data_master_id)
select value.code, value.description, master.reference_data_master_id
from (values
    ('POM ALLOCATION REASON', 'AUT', 'Automatic Transfer'),
    ('POM ALLOCATION REASON', 'INA', 'Internal Transfer'),
    ('POM ALLOCATION REASON', 'EXT', 'External Transfer'),
    ('THROUGHCARE DATE TYPE', 'POM1', 'POM Handover expected start date'),
    ('THROUGHCARE DATE TYPE', 'POM2', 'RO Handover expected from POM to COM'),
    ('THROUGHCARE STATUS', 'A', 'Sentenced - In Custody'),
    ('THROUGHCARE STATUS', 'B', 'Released - On Licence'),
    ('THROUGHCARE STATUS', 'C', 'Recalled'),
    ('THROUGHCARE STATUS', 'D', 'In Custody'),
    ('THROUGHCARE STATUS', 'P', 'Post Sentence Supervision'),
    ('THROUGHCARE STATUS', 'T', 'Terminated'),
    ('CASE ALLOCATION DECISION', 'R', 'Enhanced resourcing'),
    ('CASE ALLOCATION DECISION', 'A', 'Normal resourcing'),
    ('CASE ALLOCATION DECISION', 'N', 'No decision'),
    ('REGISTER LEVEL', 'M0', 'Level to be determined'),
    ('REGISTER LEVEL', 'M1', 'MAPPA Level 1'),
    ('REGISTER LEVEL', 'M2', 'MAPPA Level 2'),
    ('REGISTER LEVEL', 'M3', 'MAPPA Level 3'),
    ('REGISTER CATEGORY', 'X9', 'Category to be determined'),
    ('REGISTER CATEGORY', 'M1', 'MAPPA Category 1'),
    ('REGISTER CATEGORY', 'M2', 'MAPPA Category 2'),
    ('REGISTER CATEGORY', 'M3', 'MAPPA Category 3'),
    ('REGISTER CATEGORY', 'M4', 'MAPPA Category 4'),
    ('REGISTER TYPE FLAG', '1', 'RoSH'),
    ('REGISTER TYPE FLAG', '2', 'Alerts'),
    ('REGISTER TYPE FLAG', '3', 'Safeguarding'),
    ('REGISTER TYPE FLAG', '4', 'Information'),
    ('REGISTER TYPE FLAG', '5', 'Public Protection'),
    ('TIER', 'SPA', 'Supervision package A'),
    ('TIER', 'SPB', 'Supervision package B'),
    ('TIER', 'SPC', 'Supervision package C'),
    ('TIER', 'SPD', 'Supervision package D'),
    ('TIER', 'SPE', 'Supervision package E'),
    ('TIER', 'SPF', 'Supervision package F'),
    ('TIER', 'SPG', 'Supervision package G'),
    ('TIER', 'SPBI', 'Supervision package B (interim)'),
    ('TIER', 'SPNA', 'Not applicable'),
    ('TIER', 'M', 'Missing')
) as value (set_name, code, description)
join r_reference_data_master master on master.code_set_name = value.set_name;

insert into r_standard_reference_list (code_value, code_description, reference_data_master_id)
select 'U' || letter || digit, letter || digit, master.reference_data_master_id
from unnest(array['A', 'B', 'C', 'D']) as letter
cross join generate_series(0, 3) as digit
join r_reference_data_master master on master.code_set_name = 'TIER';

insert into r_contact_type (code, description)
values ('EPOMAT', 'Prison Offender Manager - Automatic Transfer'),
       ('EPOMIN', 'Prison Offender Manager - Internal Transfer'),
       ('EPOMEX', 'Prison Offender Manager - External Transfer'),
       ('ROC', 'Responsible Officer Change');

create function dev_reference(set_name text, wanted text) returns bigint language sql stable
    return (select min(list.standard_reference_list_id)
            from r_standard_reference_list list
            join r_reference_data_master master on master.reference_data_master_id = list.reference_data_master_id
            where master.code_set_name = set_name and list.code_value = wanted);

insert into r_register_type (code, description, register_type_flag_id)
values ('MAPP', 'MAPPA', dev_reference('REGISTER TYPE FLAG', '5')),
       ('DASO', 'Domestic Abuse Victim: Safety Officer', dev_reference('REGISTER TYPE FLAG', '3')),
       ('INVI', 'Victim Contact', dev_reference('REGISTER TYPE FLAG', '3')),
       ('RLRH', 'Low RoSH', dev_reference('REGISTER TYPE FLAG', '1')),
       ('RMRH', 'Medium RoSH', dev_reference('REGISTER TYPE FLAG', '1')),
       ('RHRH', 'High RoSH', dev_reference('REGISTER TYPE FLAG', '1')),
       ('RVRH', 'Very High RoSH', dev_reference('REGISTER TYPE FLAG', '1')),
       -- Under the RoSH flag as well, and no level of harm.
       ('RISK', 'Risk to staff', dev_reference('REGISTER TYPE FLAG', '1'));
alter table r_register_type
    alter column register_type_flag_id set default dev_reference('REGISTER TYPE FLAG', '4');
