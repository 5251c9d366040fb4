-- The read model: what Delius said of a person, kept until a message of the change feed says that it is out of date.
-- A row without facts is the memory of an invalidation: it keeps a read that began before it from storing its old
-- answer after it.

-- One number per invalidation, over all cases. A read-through notes the last number before it asks Delius; what it
-- read may be stored unless the case was invalidated under a higher number since. (Numbers are taken after the
-- change in Delius was committed, so a read that knows a number cannot be older than that change.)
create sequence case_record_generation;
-- The first number is used up here: a sequence that was never asked shows its first number as already given.
select nextval('case_record_generation');

create table case_records (
    crn         text primary key,
    noms_number text,
    generation  bigint not null,
    facts       jsonb,
    loaded_at   timestamptz,
    touched_at  timestamptz not null default now(),
    check ((facts is null) = (loaded_at is null))
);
create index case_records_noms_idx on case_records (noms_number) where noms_number is not null;
create index case_records_touched_idx on case_records (touched_at);

-- How current the change feed is, as each of its consumers last knew.
create table change_feed_heartbeat (
    consumer  text primary key,
    polled_at timestamptz not null,
    lag_ms    bigint not null check (lag_ms >= 0)
);
