-- The development Delius: the tables and columns of Delius that this service reads and writes, under their own names.
-- Delius keeps wall-clock times of Europe/London to the second and flags as 0/1 numbers; so does this schema.
-- Ids default from sequences, and audit columns have defaults, so that a plain INSERT can add a case.

create sequence user_id_seq;
create table user_ (
    user_id            bigint primary key default nextval('user_id_seq'),
    distinguished_name varchar(500) not null unique,
    staff_id           bigint
);
create index user_staff_idx on user_ (staff_id);

create sequence reference_data_master_id_seq;
create table r_reference_data_master (
    reference_data_master_id bigint primary key default nextval('reference_data_master_id_seq'),
    code_set_name            varchar(100) not null unique
);

create sequence standard_reference_list_id_seq;
create table r_standard_reference_list (
    standard_reference_list_id bigint primary key default nextval('standard_reference_list_id_seq'),
    code_value                 varchar(100) not null,
    code_description           varchar(500) not null,
    reference_data_master_id   bigint not null references r_reference_data_master,
    unique (reference_data_master_id, code_value)
);

create sequence contact_type_id_seq;
create table r_contact_type (
    contact_type_id bigint primary key default nextval('contact_type_id_seq'),
    code            varchar(10) not null unique,
    description     varchar(200) not null
);

create sequence register_type_id_seq;
create table r_register_type (
    register_type_id      bigint primary key default nextval('register_type_id_seq'),
    code                  varchar(10) not null unique,
    description           varchar(200) not null,
    register_type_flag_id bigint references r_standard_reference_list
);

create sequence institution_id_seq;
create table r_institution (
    institution_id bigint primary key default nextval('institution_id_seq'),
    nomis_cde_code varchar(6),
    description    varchar(200)
);
create index institution_nomis_idx on r_institution (nomis_cde_code);

create sequence probation_area_id_seq;
create table probation_area (
    probation_area_id bigint primary key default nextval('probation_area_id_seq'),
    code              char(3) not null unique,
    description       varchar(200) not null,
    institution_id    bigint references r_institution
);
create index probation_area_institution_idx on probation_area (institution_id);

create sequence district_id_seq;
create table district (
    district_id bigint primary key default nextval('district_id_seq'),
    code        varchar(10) not null unique,
    description varchar(200) not null
);

create sequence team_id_seq;
create table team (
    team_id           bigint primary key default nextval('team_id_seq'),
    code              char(6) not null unique,
    description       varchar(200) not null,
    district_id       bigint references district,
    probation_area_id bigint not null references probation_area
);
create index team_probation_area_idx on team (probation_area_id);

create sequence offender_id_seq;
create table offender (
    offender_id  bigint primary key default nextval('offender_id_seq'),
    crn          varchar(7) not null unique,
    noms_number  varchar(7),
    current_tier bigint references r_standard_reference_list,
    soft_deleted smallint not null default 0 check (soft_deleted in (0, 1))
);
-- Not unique: two persons with one NOMS number do occur in Delius, and are refused by the service.
create index offender_noms_idx on offender (noms_number);
