-- Delius (Oracle): the one table of ours there. It holds what became of each write, in the same transaction as the rows
-- that the write changed, so that a write that is sent again is answered and not applied again. Plain types on purpose:
-- the same statements run on PostgreSQL, where migrations/delius makes this table for development.
create table pom_cases_write_ledger (
    write_id    varchar2(36 char) not null,
    noms_number varchar2(7 char)  not null,
    outcome     clob              not null,
    applied_at  timestamp(6) with time zone default systimestamp not null,
    constraint pom_cases_write_ledger_pk primary key (write_id)
);

create index pom_cases_write_ledger_noms_idx on pom_cases_write_ledger (noms_number, applied_at);
