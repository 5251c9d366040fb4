-- What this service reads about a person, and what it writes.

-- Now, as Delius notes it: the wall clock of Europe/London to the second.
create function delius_now() returns timestamp language sql stable
    return date_trunc('second', current_timestamp at time zone 'Europe/London');

-- Who signs a row when the INSERT does not say.
create function delius_default_user() returns bigint language sql stable
    return (select user_id from user_ where distinguished_name = 'DevelopmentData');

create sequence staff_id_seq;
create table staff (
    staff_id              bigint primary key default nextval('staff_id_seq'),
    -- "C": codes are taken in byte order, whatever the database's language.
    officer_code          char(7) collate "C" not null unique,
    forename              varchar(35) not null,
    forename2             varchar(35),
    surname               varchar(35) not null,
    probation_area_id     bigint not null references probation_area,
    start_date            timestamp(0) not null default delius_now(),
    end_date              timestamp(0),
    private               smallint not null default 0 check (private in (0, 1)),
    created_datetime      timestamp(0) not null default delius_now(),
    created_by_user_id    bigint not null default delius_default_user(),
    last_updated_datetime timestamp(0) not null default delius_now(),
    last_updated_user_id  bigint not null default delius_default_user(),
    row_version           bigint not null default 0
);
create index staff_name_idx on staff (probation_area_id, upper(trim(surname)), upper(trim(forename)));
alter table user_ add foreign key (staff_id) references staff;

create table staff_team (
    staff_id              bigint not null references staff,
    team_id               bigint not null references team,
    created_datetime      timestamp(0) not null default delius_now(),
    created_by_user_id    bigint not null default delius_default_user(),
    last_updated_datetime timestamp(0) not null default delius_now(),
    last_updated_user_id  bigint not null default delius_default_user(),
    row_version           bigint not null default 0,
    primary key (staff_id, team_id)
);
create index staff_team_team_idx on staff_team (team_id);

create sequence offender_manager_id_seq;
create table offender_manager (
    offender_manager_id bigint primary key default nextval('offender_manager_id_seq'),
    offender_id         bigint not null references offender,
    team_id             bigint not null references team,
    allocation_staff_id bigint not null references staff,
    probation_area_id   bigint not null references probation_area,
    allocation_date     timestamp(0) not null default delius_now(),
    active_flag         smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted        smallint not null default 0 check (soft_deleted in (0, 1))
);
create index offender_manager_offender_idx on offender_manager (offender_id);

create sequence prison_offender_manager_id_seq;
create table prison_offender_manager (
    prison_offender_manager_id bigint primary key default nextval('prison_offender_manager_id_seq'),
    offender_id                bigint not null references offender,
    allocation_date            timestamp(0) not null default delius_now(),
    allocation_reason_id       bigint not null references r_standard_reference_list,
    allocation_staff_id        bigint not null references staff,
    allocation_team_id         bigint not null references team,
    probation_area_id          bigint not null references probation_area,
    end_date                   timestamp(0),
    active_flag                smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted               smallint not null default 0 check (soft_deleted in (0, 1)),
    email_address              varchar(500),
    created_datetime           timestamp(0) not null default delius_now(),
    created_by_user_id         bigint not null default delius_default_user(),
    last_updated_datetime      timestamp(0) not null default delius_now(),
    last_updated_user_id       bigint not null default delius_default_user(),
    row_version                bigint not null default 0
);
create index prison_offender_manager_offender_idx on prison_offender_manager (offender_id, allocation_date);

create sequence responsible_officer_id_seq;
create table responsible_officer (
    responsible_officer_id     bigint primary key default nextval('responsible_officer_id_seq'),
    offender_id                bigint not null references offender,
    prison_offender_manager_id bigint references prison_offender_manager,
    offender_manager_id        bigint references offender_manager,
    start_date                 timestamp(0) not null default delius_now(),
    end_date                   timestamp(0),
    created_datetime           timestamp(0) not null default delius_now(),
    created_by_user_id         bigint not null default delius_default_user(),
    last_updated_datetime      timestamp(0) not null default delius_now(),
    last_updated_user_id       bigint not null default delius_default_user(),
    row_version                bigint not null default 0
);
create index responsible_officer_offender_idx on responsible_officer (offender_id, start_date);
create index responsible_officer_pom_idx on responsible_officer (prison_offender_manager_id);

create sequence contact_id_seq;
create table contact (
    contact_id            bigint primary key default nextval('contact_id_seq'),
    offender_id           bigint not null references offender,
    contact_type_id       bigint not null references r_contact_type,
    contact_date          date not null,
    contact_start_time    timestamp(0),
    notes                 text,
    probation_area_id     bigint not null references probation_area,
    team_id               bigint not null references team,
    staff_id              bigint not null references staff,
    soft_deleted          smallint not null default 0 check (soft_deleted in (0, 1)),
    partition_area_id     bigint not null default 0,
    created_datetime      timestamp(0) not null default delius_now(),
    created_by_user_id    bigint not null default delius_default_user(),
    last_updated_datetime timestamp(0) not null default delius_now(),
    last_updated_user_id  bigint not null default delius_default_user(),
    row_version           bigint not null default 0
);
create index contact_offender_idx on contact (offender_id, contact_date);
