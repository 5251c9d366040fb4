-- The one table of ours in Delius: what came of each write, in the same transaction as the rows it wrote, so that a
-- write that is sent again is answered and not applied again.
create table pom_cases_write_ledger (
    write_id    uuid primary key,
    noms_number varchar(7) not null,
    outcome     jsonb not null,
    applied_at  timestamptz not null default now()
);
create index pom_cases_write_ledger_noms_idx on pom_cases_write_ledger (noms_number, applied_at);
