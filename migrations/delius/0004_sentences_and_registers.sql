-- Sentences (event → disposal → custody → key dates), resourcing decisions and registers.

create sequence event_id_seq;
create table event (
    event_id     bigint primary key default nextval('event_id_seq'),
    offender_id  bigint not null references offender,
    active_flag  smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted smallint not null default 0 check (soft_deleted in (0, 1))
);
create index event_offender_idx on event (offender_id);

create sequence disposal_id_seq;
create table disposal (
    disposal_id  bigint primary key default nextval('disposal_id_seq'),
    event_id     bigint not null references event,
    active_flag  smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted smallint not null default 0 check (soft_deleted in (0, 1))
);
create index disposal_event_idx on disposal (event_id);

create sequence custody_id_seq;
create table custody (
    custody_id          bigint primary key default nextval('custody_id_seq'),
    disposal_id         bigint not null references disposal,
    prisoner_number     varchar(10),
    custodial_status_id bigint references r_standard_reference_list,
    active_flag         smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted        smallint not null default 0 check (soft_deleted in (0, 1))
);
create index custody_disposal_idx on custody (disposal_id);

create sequence key_date_id_seq;
create table key_date (
    key_date_id           bigint primary key default nextval('key_date_id_seq'),
    custody_id            bigint not null references custody,
    key_date_type_id      bigint not null references r_standard_reference_list,
    key_date              date not null,
    soft_deleted          smallint not null default 0 check (soft_deleted in (0, 1)),
    partition_area_id     bigint not null default 0,
    created_datetime      timestamp(0) not null default delius_now(),
    created_by_user_id    bigint not null default delius_default_user(),
    last_updated_datetime timestamp(0) not null default delius_now(),
    last_updated_user_id  bigint not null default delius_default_user(),
    row_version           bigint not null default 0
);
create index key_date_custody_idx on key_date (custody_id, key_date_type_id);

create sequence case_allocation_id_seq;
create table case_allocation (
    case_allocation_id       bigint primary key default nextval('case_allocation_id_seq'),
    offender_id              bigint not null references offender,
    event_id                 bigint not null references event,
    allocation_decision_id   bigint references r_standard_reference_list,
    allocation_decision_date timestamp(0)
);
create index case_allocation_offender_idx on case_allocation (offender_id);
create index case_allocation_event_idx on case_allocation (event_id);

create sequence registration_id_seq;
create table registration (
    registration_id      bigint primary key default nextval('registration_id_seq'),
    offender_id          bigint not null references offender,
    register_type_id     bigint not null references r_register_type,
    register_level_id    bigint references r_standard_reference_list,
    register_category_id bigint references r_standard_reference_list,
    registration_date    date not null default delius_now()::date,
    next_review_date     date,
    created_datetime     timestamp(0) not null default delius_now(),
    deregistered         smallint not null default 0 check (deregistered in (0, 1)),
    soft_deleted         smallint not null default 0 check (soft_deleted in (0, 1))
);
create index registration_offender_idx on registration (offender_id, register_type_id);
