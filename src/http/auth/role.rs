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
    /// Looks after the queues.
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
}

/// The roles of a caller that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Roles(u8);

impl Roles {
    pub(super) fn of(authorities: &[String]) -> Self {
        let bits = Role::ALL
            .into_iter()
            .filter(|role| authorities.iter().any(|it| it == role.authority()))
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

    #[test]
    fn a_role_is_had_only_under_its_whole_name() {
        let roles = Roles::of(&["ROLE_SAR_DATA_ACCESS".into(), "ROLE_QUEUE_ADMIN_LIKE".into(), "X".into()]);
        assert_eq!(Role::ALL.map(|role| roles.contain(role)), [false, false, true, false]);
    }
}
