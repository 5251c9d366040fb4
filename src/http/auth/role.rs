//! Roles that open routes.

/// A role, as HMPPS Auth grants it to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads case records.
    CaseDetail,
    /// Reads the allocation and handover history of a case.
    Audit,
    /// Answers subject access requests.
    Sar,
    /// Retries, reads and purges dead letters.
    QueueAdmin,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 4] = [Self::CaseDetail, Self::Audit, Self::Sar, Self::QueueAdmin];

    /// Its name in the claim `authorities`.
    pub const fn authority(self) -> &'static str {
        match self {
            Self::CaseDetail => "ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL",
            Self::Audit => "ROLE_PROBATION_API__MANAGE_POM_CASES__AUDIT",
            Self::Sar => "ROLE_SAR_DATA_ACCESS",
            Self::QueueAdmin => "ROLE_QUEUE_ADMIN",
        }
    }

    /// Another role that grants the same: developers of the probation integration services read case records with it.
    pub const fn alternative(self) -> Option<&'static str> {
        match self {
            Self::CaseDetail => Some("ROLE_PROBATION_INTEGRATION_ADMIN"),
            Self::Audit | Self::Sar | Self::QueueAdmin => None,
        }
    }

    fn is_granted_by(self, authority: &str) -> bool {
        authority == self.authority() || Some(authority) == self.alternative()
    }
}

/// The roles of a caller that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Roles(u8);

impl Roles {
    pub(super) fn of(authorities: &[&str]) -> Self {
        let bits = Role::ALL
            .into_iter()
            .filter(|role| authorities.iter().any(|authority| role.is_granted_by(authority)))
            .fold(0, |bits, role| bits | 1 << role as u8);
        Self(bits)
    }

    pub(super) fn contain(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(authorities: &[&str]) -> [bool; 4] {
        let roles = Roles::of(authorities);
        Role::ALL.map(|role| roles.contain(role))
    }

    #[test]
    fn a_role_is_granted_only_under_its_whole_name() {
        assert_eq!(
            granted(&["ROLE_SAR_DATA_ACCESS", "ROLE_QUEUE_ADMIN_LIKE", "X"]),
            [false, false, true, false]
        );
        for near in ["SAR_DATA_ACCESS", "role_sar_data_access", " ROLE_SAR_DATA_ACCESS", ""] {
            assert_eq!(granted(&[near]), [false; 4], "{near}");
        }
    }

    #[test]
    fn the_admin_role_of_probation_integration_reads_case_records_and_nothing_else() {
        assert_eq!(granted(&["ROLE_PROBATION_INTEGRATION_ADMIN"]), [true, false, false, false]);
    }
}
