-- Delius (Oracle): the one table of ours there. It holds what was asked for by each write and what became of it, in the same
-- transaction as the rows that the write changed, so that a write that is sent again is answered and not applied again.
-- Plain types on purpose: the same statements run on PostgreSQL, where migrations/delius makes this table for development.
create table pom_cases_write_ledger (
    write_id      varchar2(36 char) not null,
    noms_number   char(7 char)      not null,
    intent_sha256 char(64 char)     not null,
    intent        clob              not null,
    outcome       clob              not null,
    applied_at    timestamp(0)      not null,
    constraint pom_cases_write_ledger_pkey primary key (write_id)
);

create index pom_cases_write_ledger_noms_idx on pom_cases_write_ledger (noms_number, applied_at);
