-- Delius (Oracle): what the service's user may do there. Run by the Delius database team as DELIUS_APP_SCHEMA's owner.
-- The user is personal to the service and carries no application roles.

-- Rows that the service writes. Key dates are deleted physically: their unique key counts soft-deleted rows.
grant select, insert, update on prison_offender_manager to manage_pom_cases_and_delius;
grant select, insert, update on responsible_officer to manage_pom_cases_and_delius;
grant select, insert on contact to manage_pom_cases_and_delius;
grant select, insert, update, delete on key_date to manage_pom_cases_and_delius;
grant select, insert, update on staff to manage_pom_cases_and_delius;
grant select, insert on staff_team to manage_pom_cases_and_delius;

-- Their keys come from sequences, several at once.
grant select on prison_offender_manager_id_seq to manage_pom_cases_and_delius;
grant select on responsible_officer_id_seq to manage_pom_cases_and_delius;
grant select on contact_id_seq to manage_pom_cases_and_delius;
grant select on key_date_id_seq to manage_pom_cases_and_delius;
grant select on staff_id_seq to manage_pom_cases_and_delius;

-- The person's row is locked (FOR UPDATE) for the length of a write, which Oracle allows with UPDATE or SELECT.
grant select on offender to manage_pom_cases_and_delius;

-- Rows that the service reads.
grant select on offender_manager to manage_pom_cases_and_delius;
grant select on event to manage_pom_cases_and_delius;
grant select on disposal to manage_pom_cases_and_delius;
grant select on custody to manage_pom_cases_and_delius;
grant select on case_allocation to manage_pom_cases_and_delius;
grant select on registration to manage_pom_cases_and_delius;
grant select on probation_area to manage_pom_cases_and_delius;
grant select on r_institution to manage_pom_cases_and_delius;
grant select on team to manage_pom_cases_and_delius;
grant select on district to manage_pom_cases_and_delius;
grant select on r_register_type to manage_pom_cases_and_delius;
grant select on r_contact_type to manage_pom_cases_and_delius;
grant select on r_standard_reference_list to manage_pom_cases_and_delius;
grant select on r_reference_data_master to manage_pom_cases_and_delius;
grant select on user_ to manage_pom_cases_and_delius;

-- Row-level security: without the client identifier the rows of people are invisible, and every write would be refused
-- as PersonNotFound.
grant execute on pkg_vpd_ctx to manage_pom_cases_and_delius;

-- The ledger (delius-ledger.sql).
grant select, insert on pom_cases_write_ledger to manage_pom_cases_and_delius;

-- Beside the grants: a row of user_ with distinguished_name = 'ManagePomCasesAndDelius' (forename 'Manage POM Cases',
-- surname 'Service'), whose id stands in the audit columns. The service does not start without it.
