-- Sentences (event → disposal → custody → key dates), resourcing decisions and registers.

create sequence event_id_seq;
create table event (
    event_id      bigint primary key default nextval('event_id_seq'),
    offender_id   bigint not null references offender,
    event_number  varchar(10) not null default '1' check (octet_length(event_number) <= 10),
    referral_date timestamp(0) not null default delius_now(),
    active_flag   smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted  smallint not null default 0 check (soft_deleted in (0, 1))
);
create index event_offender_idx on event (offender_id);

create sequence disposal_id_seq;
create table disposal (
    disposal_id      bigint primary key default nextval('disposal_id_seq'),
    event_id         bigint not null references event,
    offender_id      bigint not null references offender,
    termination_date timestamp(0),
    active_flag      smallint not null default 1 check (active_flag in (0, 1)),
    soft_deleted     smallint not null default 0 check (soft_deleted in (0, 1)),
    constraint disposal_active_without_termination check ((active_flag = 1) = (termination_date is null))
);
create index disposal_event_idx on disposal (event_id);

create sequence custody_id_seq;
create table custody (
    custody_id          bigint primary key default nextval('custody_id_seq'),
    disposal_id         bigint not null references disposal,
    offender_id         bigint not null references offender,
    prisoner_number     varchar(10) check (octet_length(prisoner_number) <= 10),
    custodial_status_id bigint not null default dev_reference('THROUGHCARE STATUS', 'D')
        references r_standard_reference_list,
    status_change_date  timestamp(0) not null default delius_now(),
    soft_deleted        smallint not null default 0 check (soft_deleted in (0, 1))
);
create index custody_disposal_idx on custody (disposal_id);

-- For plain INSERTs: a sentence belongs to the person of its event.
create function dev_offender_of_event() returns trigger language plpgsql as $$
begin
    new.offender_id := coalesce(new.offender_id, (select offender_id from event where event_id = new.event_id));
    return new;
end $$;
create trigger dev_offender_of_event before insert on disposal
    for each row execute function dev_offender_of_event();
create function dev_offender_of_disposal() returns trigger language plpgsql as $$
begin
    new.offender_id := coalesce(new.offender_id, (select offender_id from disposal where disposal_id = new.disposal_id));
    return new;
end $$;
create trigger dev_offender_of_disposal before insert on custody
    for each row execute function dev_offender_of_disposal();

create sequence key_date_id_seq start 2500000000;
create table key_date (
    key_date_id           bigint primary key default nextval('key_date_id_seq'),
    custody_id            bigint not null references custody,
    key_date_type_id      bigint not null references r_standard_reference_list,
    key_date              timestamp(0) not null,
    soft_deleted          smallint not null default 0 check (soft_deleted in (0, 1)),
    partition_area_id     bigint not null default 0,
    created_datetime      timestamp(0) not null default delius_now(),
    created_by_user_id    bigint not null default dev_default_user() references user_,
    last_updated_datetime timestamp(0) not null default delius_now(),
    last_updated_user_id  bigint not null default dev_default_user() references user_,
    row_version           bigint default 0,
    -- Soft-deleted rows included: a date that was removed by a flag cannot be inserted again.
    constraint key_date_custody_type_date_key unique (custody_id, key_date_type_id, key_date)
);

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
    registration_date    timestamp(0) not null default date_trunc('day', delius_now()),
    next_review_date     timestamp(0),
    contact_id           bigint not null default 0,
    registering_team_id  bigint not null default 0,
    registering_staff_id bigint not null default 0,
    created_datetime     timestamp(0) not null default delius_now(),
    deregistered         smallint not null default 0 check (deregistered in (0, 1)),
    soft_deleted         smallint not null default 0 check (soft_deleted in (0, 1)),
    constraint registration_reviewed_after_start check (registration_date <= next_review_date)
);
create index registration_offender_idx on registration (offender_id, register_type_id);
