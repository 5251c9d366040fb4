//! Reference data that every write needs: looked up once, at start-up or at the first use.

use super::{
    engine::{Session, Statement},
    error::{DeliusError, During},
    load::read,
    plan::{
        allocation::{Transfer, Transfers},
        handover::HandoverDateTypes,
        rows::TransferReason,
    },
    sql,
};

/// Distinguished name of the user who signs the rows that this service writes.
pub const AUDIT_USER: &str = "ManagePomCasesAndDelius";

const REASONS: &str = "POM ALLOCATION REASON";
const DATE_TYPES: &str = "THROUGHCARE DATE TYPE";
const CONTACT_TYPES: [&str; 4] = ["EPOMAT", "EPOMIN", "EPOMEX", "ROC"];

#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) audit_user_id: i64,
    pub(super) transfers: Transfers,
    pub(super) handover_date_types: HandoverDateTypes,
}

impl Reference {
    pub(super) async fn load(session: &mut dyn Session) -> Result<Self, DeliusError> {
        let doing = "while reading reference data";
        let user = Statement::new(sql::AUDIT_USER).bind("name", AUDIT_USER);
        let users = read(session.query(&user).await, |row| row.int("user_id")).during(doing)?;
        let audit_user_id = *users.first().ok_or(DeliusError::AuditUserMissing(AUDIT_USER))?;

        let lists =
            Statement::new(sql::REFERENCE_LISTS).list("sets", [REASONS, DATE_TYPES].map(str::to_owned));
        let listed = read(session.query(&lists).await, |row| {
            let reason = TransferReason {
                id: row.int("standard_reference_list_id")?,
                description: row.text("code_description")?,
            };
            Ok((row.text("code_set_name")?, row.text("code_value")?, reason))
        })
        .during(doing)?;
        let types = Statement::new(sql::CONTACT_TYPES).list("codes", CONTACT_TYPES.map(str::to_owned));
        let contact_types =
            read(session.query(&types).await, |row| Ok((row.text("code")?, row.int("contact_type_id")?)))
                .during(doing)?;

        let found = ReferenceRow { listed, contact_types };
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

/// The selectable rows. Nothing in Delius keeps a code of a set unique.
struct ReferenceRow {
    listed: Vec<(String, String, TransferReason)>,
    contact_types: Vec<(String, i64)>,
}

impl ReferenceRow {
    fn listed(&self, set: &str, code: &str) -> Result<TransferReason, DeliusError> {
        let fitting = self.listed.iter().filter(|(its_set, its_code, _)| its_set == set && its_code == code);
        the_only(fitting.map(|(.., reason)| reason.clone()), || format!("{code} of {set}"))
    }

    fn contact_type(&self, code: &str) -> Result<i64, DeliusError> {
        let fitting = self.contact_types.iter().filter(|(its_code, _)| its_code == code);
        the_only(fitting.map(|(_, id)| *id), || format!("contact type {code}"))
    }

    fn transfer(&self, reason: &str, contact_type: &str) -> Result<Transfer, DeliusError> {
        Ok(Transfer {
            reason: self.listed(REASONS, reason)?,
            contact_type_id: self.contact_type(contact_type)?,
        })
    }
}

/// Rows of ours must point at the row that everybody means. Where two fit, nobody can say which that is.
fn the_only<T>(fitting: impl Iterator<Item = T>, what: impl Fn() -> String) -> Result<T, DeliusError> {
    let mut fitting: Vec<T> = fitting.collect();
    match (fitting.pop(), fitting.len()) {
        (Some(only), 0) => Ok(only),
        (last, others) => {
            Err(DeliusError::ReferenceData { what: what(), found: others + usize::from(last.is_some()) })
        }
    }
}
