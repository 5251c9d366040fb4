-- Our store: the owner migrates, the service reads and appends. Run once as the owner of the database (on RDS the
-- instance's master user), after `manage-pom-cases-and-delius migrate`:
--     psql --set=password="'…'" --file=store-roles.sql
-- Later migrations give the service what their tables need by themselves.

create role pom_cases login noinherit password :password;
alter role pom_cases set idle_in_transaction_session_timeout = '60s';
grant connect on database :DBNAME to pom_cases;
revoke create on schema public from public;

-- SELECT and INSERT on what is append-only, and no more than it needs elsewhere. Triggers refuse changes of the events
-- to everybody, the owner included.
select allow_service('pom_cases');

-- For people who look and never write: no raw messages, no payloads of events, no names.
create role pom_cases_support nologin;
grant usage on schema public to pom_cases_support;
grant select on _sqlx_migrations, bulk_runs to pom_cases_support;
grant select (id, case_id, sequence, ordinal, kind, state, attempt, created_at, available_at, finished_at)
    on outbox to pom_cases_support;
