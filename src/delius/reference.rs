//! Reference data that every write needs: looked up once, at start-up or at the first use.

use std::collections::HashMap;

use sqlx::PgPool;

use super::{
    error::{DeliusError, During},
    plan::{
        allocation::{Transfer, Transfers},
        handover::HandoverDateTypes,
        rows::Reason,
    },
};

/// Distinguished name of the user who signs the rows that this service writes.
pub const AUDIT_USER: &str = "ManagePomCasesAndDelius";

const REASONS: &str = "POM ALLOCATION REASON";
const DATE_TYPES: &str = "THROUGHCARE DATE TYPE";

#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) audit_user_id: i64,
    pub(super) transfers: Transfers,
    pub(super) handover_date_types: HandoverDateTypes,
}

impl Reference {
    pub(super) async fn load(pool: &PgPool) -> Result<Self, DeliusError> {
        let doing = "while reading reference data";
        let audit_user_id: i64 =
            sqlx::query_scalar("select user_id from user_ where distinguished_name = $1")
                .bind(AUDIT_USER)
                .fetch_optional(pool)
                .await
                .during(doing)?
                .ok_or(DeliusError::AuditUserMissing(AUDIT_USER))?;

        let listed: Vec<(String, String, i64, String)> = sqlx::query_as(
            "select master.code_set_name, list.code_value, list.standard_reference_list_id, list.code_description
             from r_standard_reference_list list
             join r_reference_data_master master on master.reference_data_master_id = list.reference_data_master_id
             where master.code_set_name in ($1, $2)",
        )
        .bind(REASONS)
        .bind(DATE_TYPES)
        .fetch_all(pool)
        .await
        .during(doing)?;
        let contact_types: Vec<(String, i64)> = sqlx::query_as(
            "select code, contact_type_id from r_contact_type where code in ('EPOMAT', 'EPOMIN', 'EPOMEX', 'ROC')",
        )
        .fetch_all(pool)
        .await
        .during(doing)?;

        let found = Found {
            listed: listed
                .into_iter()
                .map(|(set, code, id, description)| ((set, code), Reason { id, description }))
                .collect(),
            contact_types: contact_types.into_iter().collect(),
        };
        Ok(Self {
            audit_user_id,
            transfers: Transfers {
                automatic: found.transfer("AUT", "EPOMAT")?,
                internal: found.transfer("INA", "EPOMIN")?,
                external: found.transfer("EXT", "EPOMEX")?,
                responsible_officer_contact_type_id: found.contact_type("ROC")?,
            },
            handover_date_types: HandoverDateTypes {
                start: found.listed(DATE_TYPES, "POM1")?.id,
                handover: found.listed(DATE_TYPES, "POM2")?.id,
            },
        })
    }
}

struct Found {
    listed: HashMap<(String, String), Reason>,
    contact_types: HashMap<String, i64>,
}

impl Found {
    fn listed(&self, set: &str, code: &str) -> Result<Reason, DeliusError> {
        self.listed
            .get(&(set.to_owned(), code.to_owned()))
            .cloned()
            .ok_or_else(|| DeliusError::ReferenceDataMissing(format!("{code} of {set}")))
    }

    fn contact_type(&self, code: &str) -> Result<i64, DeliusError> {
        self.contact_types
            .get(code)
            .copied()
            .ok_or_else(|| DeliusError::ReferenceDataMissing(format!("contact type {code}")))
    }

    fn transfer(&self, reason: &str, contact_type: &str) -> Result<Transfer, DeliusError> {
        Ok(Transfer {
            reason: self.listed(REASONS, reason)?,
            contact_type_id: self.contact_type(contact_type)?,
        })
    }
}
