-- Soft-deleted rows too: they say what an earlier event of the same second was.
select pom.prison_offender_manager_id, coalesce(pom.row_version, 0) as row_version, pom.allocation_date, pom.end_date,
       pom.active_flag, pom.soft_deleted, pom.email_address,
       pom.allocation_reason_id, reason.code_description as reason,
       provider.probation_area_id, provider.code as provider_code, provider.description as provider,
       institution.nomis_cde_code,
       team.team_id, team.code as team_code, team.description as team,
       staff.staff_id, staff.officer_code, staff.forename, staff.surname
from prison_offender_manager pom
join r_standard_reference_list reason on reason.standard_reference_list_id = pom.allocation_reason_id
join probation_area provider on provider.probation_area_id = pom.probation_area_id
left join r_institution institution
    on institution.institution_id = provider.institution_id and institution.establishment = provider.establishment
join team on team.team_id = pom.allocation_team_id
join staff on staff.staff_id = pom.allocation_staff_id
where pom.offender_id = :offender_id
order by pom.allocation_date, pom.prison_offender_manager_id
