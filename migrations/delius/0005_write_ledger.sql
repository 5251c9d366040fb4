-- The one table of ours in Delius: what became of each write, in the same transaction as the rows it wrote, so that a
-- write that is sent again is answered and not applied again. Text, so that any engine can hold it.
create table pom_cases_write_ledger (
    write_id      varchar(36) not null,
    noms_number   char(7) not null,
    -- SHA-256 of what was asked for: an id alone does not prove that it is the same write.
    intent_sha256 char(64) not null,
    -- What was asked for, as JSON: a store that was restored to an earlier time learns from it what it has forgotten.
    intent        text not null,
    -- JSON.
    outcome       text not null,
    applied_at    timestamp(0) not null,
    constraint pom_cases_write_ledger_pkey primary key (write_id)
);
create index pom_cases_write_ledger_noms_idx on pom_cases_write_ledger (noms_number, applied_at);
