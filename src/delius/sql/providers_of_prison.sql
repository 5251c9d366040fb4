-- The code is looked for inside the column, and compared exactly by the caller: blanks around it do occur.
select provider.probation_area_id, provider.code, provider.description, institution.nomis_cde_code
from probation_area provider
join r_institution institution
    on institution.institution_id = provider.institution_id and institution.establishment = provider.establishment
where upper(institution.nomis_cde_code) like :pattern
  and (provider.end_date is null or provider.end_date > :at)
order by provider.probation_area_id
