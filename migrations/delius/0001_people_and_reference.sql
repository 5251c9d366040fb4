-- The development Delius: the tables and columns that this service reads and writes, under their own names, with the
-- constraints that the real database enforces. A test that passes here must not fail there.
--
-- Types follow the real ones: NUMBER is bigint, DATE is timestamp(0) (it keeps seconds, wall clock of Europe/London),
-- VARCHAR2(n) holds at most n *bytes*, flags are 0/1 numbers.
--
-- Two things are easier here than there, for people and scripts that add cases by plain INSERT: keys and audit columns
-- have defaults, and a few parent columns are filled by triggers (all named dev_...). The service relies on neither:
-- the tests of its writes drop the defaults.

-- Now, as Delius notes it.
create function delius_now() returns timestamp language sql stable
    return date_trunc('second', current_timestamp at time zone 'Europe/London');

create sequence user_id_seq;
create table user_ (
    user_id            bigint primary key default nextval('user_id_seq'),
    distinguished_name varchar(500) not null constraint user_distinguished_name_key unique
        check (octet_length(distinguished_name) <= 500),
    staff_id           bigint
);
create index user_staff_idx on user_ (staff_id);

-- A code set and a code are unique only together with the row's own id: duplicates do occur.
create sequence reference_data_master_id_seq;
create table r_reference_data_master (
    reference_data_master_id bigint primary key default nextval('reference_data_master_id_seq'),
    code_set_name            varchar(100) not null check (octet_length(code_set_name) <= 100),
    unique (code_set_name, reference_data_master_id)
);

create sequence standard_reference_list_id_seq;
create table r_standard_reference_list (
    standard_reference_list_id bigint primary key default nextval('standard_reference_list_id_seq'),
    code_value                 varchar(100) not null check (octet_length(code_value) <= 100),
    code_description           varchar(500) not null check (octet_length(code_description) <= 500),
    reference_data_master_id   bigint not null references r_reference_data_master,
    selectable                 char(1) not null default 'Y' check (selectable in ('Y', 'N')),
    unique (code_value, reference_data_master_id, standard_reference_list_id)
);

create sequence contact_type_id_seq;
create table r_contact_type (
    contact_type_id bigint primary key default nextval('contact_type_id_seq'),
    code            varchar(10) not null check (octet_length(code) <= 10),
    description     varchar(200) not null check (octet_length(description) <= 200),
    selectable      char(1) not null default 'Y' check (selectable in ('Y', 'N')),
    unique (code, contact_type_id)
);

create sequence register_type_id_seq;
create table r_register_type (
    register_type_id      bigint primary key default nextval('register_type_id_seq'),
    code                  varchar(10) not null check (octet_length(code) <= 10),
    description           varchar(200) not null check (octet_length(description) <= 200),
    register_type_flag_id bigint not null references r_standard_reference_list,
    selectable            char(1) not null default 'Y' check (selectable in ('Y', 'N')),
    unique (code, register_type_id)
);

-- One institution may have two rows: as an establishment ('Y') and as something else ('N').
create sequence institution_id_seq;
create table r_institution (
    institution_id bigint not null default nextval('institution_id_seq'),
    establishment  char(1) not null default 'Y' check (establishment in ('Y', 'N')),
    code           varchar(6) check (octet_length(code) <= 6),
    nomis_cde_code varchar(50) check (octet_length(nomis_cde_code) <= 50),
    description    varchar(100) check (octet_length(description) <= 100),
    selectable     char(1) not null default 'Y' check (selectable in ('Y', 'N')),
    primary key (institution_id, establishment)
);
create index institution_nomis_idx on r_institution (nomis_cde_code);

create sequence probation_area_id_seq;
create table probation_area (
    probation_area_id bigint primary key default nextval('probation_area_id_seq'),
    code              varchar(3) not null check (octet_length(code) <= 3),
    description       varchar(60) not null check (octet_length(description) <= 60),
    institution_id    bigint,
    establishment     char(1) default 'Y' check (establishment in ('Y', 'N')),
    private           smallint not null default 0 check (private in (0, 1)),
    selectable        char(1) not null default 'Y' check (selectable in ('Y', 'N')),
    end_date          timestamp(0),
    unique (code, probation_area_id),
    foreign key (institution_id, establishment) references r_institution
);
create index probation_area_institution_idx on probation_area (institution_id, establishment);

create sequence district_id_seq;
create table district (
    district_id bigint primary key default nextval('district_id_seq'),
    code        varchar(20) not null check (octet_length(code) <= 20),
    description varchar(30) not null check (octet_length(description) <= 30)
);

-- For plain INSERTs of a team: every team belongs to a district.
create function dev_default_district() returns bigint language sql stable
    return (select min(district_id) from district where code = 'DEV');
insert into district (code, description) values ('DEV', 'Development');

-- A team that ended may have the code of one that did not.
create sequence team_id_seq;
create table team (
    team_id           bigint primary key default nextval('team_id_seq'),
    code              varchar(6) not null check (octet_length(code) <= 6),
    description       varchar(50) not null check (octet_length(description) <= 50),
    district_id       bigint not null default dev_default_district() references district,
    probation_area_id bigint not null references probation_area,
    private           smallint not null default 0 check (private in (0, 1)),
    end_date          timestamp(0),
    unique (code, team_id)
);
create index team_probation_area_idx on team (probation_area_id);

create sequence offender_id_seq;
create table offender (
    offender_id  bigint primary key default nextval('offender_id_seq'),
    crn          char(7) not null unique,
    noms_number  char(7),
    current_tier bigint references r_standard_reference_list,
    soft_deleted smallint not null default 0 check (soft_deleted in (0, 1))
);
-- Not unique: two persons with one NOMS number do occur in Delius, and are refused by the service.
create index offender_noms_idx on offender (noms_number);
