-- Staff, managers of cases, responsible officers and the log of contacts.

-- Who signs a row when the INSERT does not say.
create function dev_default_user() returns bigint language sql stable
    return (select user_id from user_ where distinguished_name = 'DevelopmentData');

-- Keys of several tables are past what 32 bits hold.
create sequence staff_id_seq start 2500000000;
create table staff (
    staff_id              bigint primary key default nextval('staff_id_seq'),
    -- Neither mandatory nor unique.
    officer_code          char(7),
    training_session_id   bigint,
    forename              varchar(35) not null check (octet_length(forename) <= 35),
    forename2             varchar(35) check (octet_length(forename2) <= 35),
    surname               varchar(35) not null check (octet_length(surname) <= 35),
    probation_area_id     bigint not null references probation_area,
    start_date            timestamp(0) not null default delius_now(),
    end_date              timestamp(0),
    private               smallint not null default 0 check (private in (0, 1)),
    created_datetime      timestamp(0) not null default delius_now(),
    created_by_user_id    bigint not null default dev_default_user() references user_,
    last_updated_datetime timestamp(0) not null default delius_now(),
    last_updated_user_id  bigint not null default dev_default_user() references user_,
    row_version           bigint default 0,
    unique (officer_code, training_session_id, staff_id),
    check (start_date <= end_date)
);
create index staff_officer_code_idx on staff (officer_code);
create index staff_probation_area_idx on staff (probation_area_id);
alter table user_ add foreign key (staff_id) references staff;

create table staff_team (
    staff_id              bigint not null references staff,
    team_id               bigint not null references team,
    created_datetime      timestamp(0) not null default delius_now(),
    created_by_user_id    bigint not null default dev_default_user() references user_,
    last_updated_datetime timestamp(0) not null default delius_now(),
    last_updated_user_id  bigint not null default dev_default_user() references user_,
    row_version           bigint default 0,
    constraint staff_team_pkey primary key (staff_id, team_id)
);
create index staff_team_team_idx on staff_team (team_id);

create sequence offender_manager_id_seq;
create table offender_manager (
    offender_manager_id bigint primary key default nextval('offender_manager_id_seq'),
    offender_id         bigint not null references offender,
    -- Null for a manager who is somebody else's employee.
    team_id             bigint references team,
    allocation_staff_id bigint references staff,
    probation_area_id   bigint not null references probation_area,
    allocation_date     timestamp(0) not null default delius_now(),
    end_date            timestamp(0),
    active_flag         smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted        smallint not null default 0 check (soft_deleted in (0, 1)),
    constraint offender_manager_active_without_end check ((active_flag = 1) = (end_date is null))
);
create index offender_manager_offender_idx on offender_manager (offender_id);

create sequence prison_offender_manager_id_seq start 2500000000;
create table prison_offender_manager (
    prison_offender_manager_id bigint primary key default nextval('prison_offender_manager_id_seq'),
    offender_id                bigint not null references offender,
    allocation_date            timestamp(0) not null default delius_now(),
    allocation_reason_id       bigint not null references r_standard_reference_list,
    allocation_staff_id        bigint not null references staff,
    allocation_team_id         bigint not null references team,
    probation_area_id          bigint not null references probation_area,
    transfer_reason_id         bigint references r_standard_reference_list,
    end_date                   timestamp(0),
    active_flag                smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted               smallint not null default 0 check (soft_deleted in (0, 1)),
    email_address              varchar(255) check (octet_length(email_address) <= 255),
    telephone_number           varchar(35) check (octet_length(telephone_number) <= 35),
    created_datetime           timestamp(0) not null default delius_now(),
    created_by_user_id         bigint not null default dev_default_user() references user_,
    last_updated_datetime      timestamp(0) not null default delius_now(),
    last_updated_user_id       bigint not null default dev_default_user() references user_,
    row_version                bigint default 0,
    -- Soft-deleted rows included.
    constraint prison_offender_manager_active_without_end check ((active_flag = 1) = (end_date is null)),
    constraint prison_offender_manager_ends_after_start check (allocation_date <= end_date)
);
create index prison_offender_manager_offender_idx on prison_offender_manager (offender_id, allocation_date);

create sequence responsible_officer_id_seq start 2500000000;
create table responsible_officer (
    responsible_officer_id     bigint primary key default nextval('responsible_officer_id_seq'),
    offender_id                bigint not null references offender,
    prison_offender_manager_id bigint references prison_offender_manager,
    offender_manager_id        bigint references offender_manager,
    start_date                 timestamp(0) not null default delius_now(),
    end_date                   timestamp(0),
    created_datetime           timestamp(0) not null default delius_now(),
    created_by_user_id         bigint not null default dev_default_user() references user_,
    last_updated_datetime      timestamp(0) not null default delius_now(),
    last_updated_user_id       bigint not null default dev_default_user() references user_,
    row_version                bigint default 0
);
create index responsible_officer_offender_idx on responsible_officer (offender_id, start_date);
create index responsible_officer_pom_idx on responsible_officer (prison_offender_manager_id);

create sequence contact_id_seq start 2500000000;
create table contact (
    contact_id             bigint primary key default nextval('contact_id_seq'),
    offender_id            bigint not null references offender,
    contact_type_id        bigint not null references r_contact_type,
    contact_date           timestamp(0) not null,
    contact_start_time     timestamp(0),
    notes                  text,
    probation_area_id      bigint not null references probation_area,
    team_id                bigint references team,
    provider_team_id       bigint,
    staff_id               bigint references staff,
    provider_employee_id   bigint,
    nomis_case_note_id     bigint unique,
    -- Filled by Delius itself.
    trust_provider_flag    smallint not null check (trust_provider_flag in (0, 1)),
    staff_employee_id      bigint not null,
    trust_provider_team_id bigint not null,
    soft_deleted           smallint not null default 0 check (soft_deleted in (0, 1)),
    partition_area_id      bigint not null default 0,
    created_datetime       timestamp(0) not null default delius_now(),
    created_by_user_id     bigint not null default dev_default_user() references user_,
    last_updated_datetime  timestamp(0) not null default delius_now(),
    last_updated_user_id   bigint not null default dev_default_user() references user_,
    row_version            bigint default 0,
    constraint contact_of_one_team check ((team_id is null) <> (provider_team_id is null)),
    constraint contact_of_one_officer check ((staff_id is null) <> (provider_employee_id is null))
);
create index contact_offender_idx on contact (offender_id, contact_date);

-- As the real database does: nobody who inserts a contact gives these three.
create function contact_trust_columns() returns trigger language plpgsql as $$
begin
    new.trust_provider_flag := case when new.staff_id is null then 1 else 0 end;
    new.staff_employee_id := coalesce(new.staff_id, new.provider_employee_id);
    new.trust_provider_team_id := coalesce(new.team_id, new.provider_team_id);
    return new;
end $$;
create trigger contact_trust_columns before insert or update on contact
    for each row execute function contact_trust_columns();
