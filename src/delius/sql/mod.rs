//! Every statement, once, in a form that is right for PostgreSQL and for Oracle (and H2, which stands in for it).
//!
//! What the other engine would get wrong *silently* is the reason for most of the rules, and `tests` rejects them all:
//!
//! | not here | because |
//! | --- | --- |
//! | an empty text in any comparison, `coalesce(x, '')` | on Oracle `''` is null, and a comparison with null is never true |
//! | `exists (…)` or a comparison as a selected column, `true`, `false` | Oracle has no boolean columns; a count or a case stands instead |
//! | `lateral`, `distinct on` | window functions do the same everywhere |
//! | `= any (array)` | `in (:list)`; the list is written out when the statement is rendered |
//! | `returning`, column defaults of keys | keys come from sequences before the insert |
//! | `limit`, `::`, `now()`, `interval`, `on conflict`, json, uuid, arrays | other syntax, or none |
//! | `select` without a table | other syntax |
//! | ranges of codes by `<` and `>` | the order depends on the database's language |
//!
//! Binds are written `:name`. A statement that needs the time gets it bound, from the database's clock.

mod rows;
#[cfg(test)]
mod tests;

pub(super) use rows::{delete, insert, update};

pub(super) const AUDIT_USER: &str = "select user_id from user_ where distinguished_name = :name";
pub(super) const REFERENCE_LISTS: &str = include_str!("reference_lists.sql");
pub(super) const CONTACT_TYPES: &str = "select code, contact_type_id from r_contact_type where code in (:codes) and selectable = 'Y' order by contact_type_id";

pub(super) const PERSONS: &str =
    "select offender_id from offender where noms_number = :noms and soft_deleted = 0 order by offender_id";
pub(super) const PERSONS_LOCKED: &str = "select offender_id from offender where noms_number = :noms and soft_deleted = 0 order by offender_id for update";
pub(super) const POMS: &str = include_str!("poms.sql");
pub(super) const RESPONSIBLE_OFFICERS: &str =
    "select responsible_officer_id, coalesce(row_version, 0) as row_version, prison_offender_manager_id,
            offender_manager_id, start_date, end_date
     from responsible_officer where offender_id = :offender_id order by start_date, responsible_officer_id";
pub(super) const LIVE_CUSTODIES: &str = include_str!("live_custodies.sql");

pub(super) const PROVIDERS_OF_PRISON: &str = include_str!("providers_of_prison.sql");
pub(super) const LOCK_PROVIDER: &str =
    "select probation_area_id from probation_area where probation_area_id = :provider_id for update";
/// A team that ended may have the same code; and should two have it, the provider's own comes first.
pub(super) const TEAMS: &str = "select team_id, code, description from team
     where code = :code and (end_date is null or end_date > :at)
     order by case when probation_area_id = :provider_id then 0 else 1 end, team_id";
/// Codes are not unique: who is still there comes first, then the provider's own.
pub(super) const PLACEHOLDERS: &str =
    "select staff_id, forename, surname from staff where officer_code = :code
     order by case when end_date is null or end_date > :at then 0 else 1 end,
              case when probation_area_id = :provider_id then 0 else 1 end, staff_id";
pub(super) const OFFICER_CODES: &str = "select officer_code from staff where officer_code like :pattern";
pub(super) const STAFF_OF_PROVIDER: &str = include_str!("staff_of_provider.sql");

pub(super) const LEDGER_ENTRY: &str =
    "select intent_sha256, outcome from pom_cases_write_ledger where write_id = :write_id";
pub(super) const ENTER_IN_LEDGER: &str =
    "insert into pom_cases_write_ledger (write_id, noms_number, intent_sha256, intent, outcome, applied_at)
     values (:write_id, :noms, :intent_sha256, :intent, :outcome, :applied_at)";
pub(super) const LEDGER_OF_PERSON: &str = "select write_id, intent, outcome from pom_cases_write_ledger
     where noms_number = :noms order by applied_at, write_id";

pub(super) const LIVE_CUSTODIES_OF_CRN: &str = include_str!("live_custodies_of_crn.sql");
pub(super) const NOMS_OF_CRN: &str = "select noms_number from offender where crn = :crn and soft_deleted = 0";
pub(super) const CRNS_OF_NOMS: &str =
    "select crn from offender where noms_number = :noms and soft_deleted = 0";
pub(super) const NOMS_IN_CUSTODY: &str = include_str!("noms_in_custody.sql");
pub(super) const CASE_FACTS: &str = include_str!("case_facts.sql");

/// All of them, for the test of constructs and for tools that check them against an engine.
#[cfg(test)]
pub(super) const ALL: &[&str] = &[
    AUDIT_USER,
    REFERENCE_LISTS,
    CONTACT_TYPES,
    PERSONS,
    PERSONS_LOCKED,
    POMS,
    RESPONSIBLE_OFFICERS,
    LIVE_CUSTODIES,
    PROVIDERS_OF_PRISON,
    LOCK_PROVIDER,
    TEAMS,
    PLACEHOLDERS,
    OFFICER_CODES,
    STAFF_OF_PROVIDER,
    LEDGER_ENTRY,
    ENTER_IN_LEDGER,
    LEDGER_OF_PERSON,
    LIVE_CUSTODIES_OF_CRN,
    NOMS_OF_CRN,
    CRNS_OF_NOMS,
    NOMS_IN_CUSTODY,
    CASE_FACTS,
];
