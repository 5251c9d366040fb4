-- Everything a case record says of the persons asked for, one row each, in one round trip.
-- $1 CRNs, $2 NOMS numbers. Each lateral part picks at most one row and states its whole order, ties included.
SELECT o.crn,
       o.noms_number,
       EXISTS (SELECT 1
                 FROM offender other
                WHERE other.noms_number = o.noms_number
                  AND other.soft_deleted = 0
                  AND other.offender_id <> o.offender_id) AS noms_shared,
       tier.code_description         AS tier_description,
       decision.code_value           AS decision_code,
       com.officer_code,
       com.forename,
       com.forename2                 AS middle_name,
       com.surname,
       com.user_name,
       com.team_code,
       com.team_description,
       com.unit_code,
       com.unit_description,
       mappa.registration_date       AS mappa_start,
       mappa.next_review_date        AS mappa_review,
       mappa.level_code              AS mappa_level_code,
       mappa.level_description       AS mappa_level_description,
       mappa.category_code           AS mappa_category_code,
       mappa.category_description    AS mappa_category_description,
       EXISTS (SELECT 1
                 FROM registration vlo
                 JOIN r_register_type vlo_type ON vlo_type.register_type_id = vlo.register_type_id
                WHERE vlo.offender_id = o.offender_id
                  AND vlo.soft_deleted = 0
                  AND vlo.deregistered = 0
                  AND vlo_type.code IN ('DASO', 'INVI')) AS vlo_assigned,
       rosh.code                     AS rosh_code,
       rosh.registration_date        AS rosh_start
  FROM offender o
  LEFT JOIN r_standard_reference_list tier ON tier.standard_reference_list_id = o.current_tier
  LEFT JOIN LATERAL (
       SELECT value.code_value
         FROM case_allocation ca
         JOIN event e ON e.event_id = ca.event_id
         JOIN r_standard_reference_list value ON value.standard_reference_list_id = ca.allocation_decision_id
        WHERE ca.offender_id = o.offender_id
          AND e.active_flag = 1
          AND e.soft_deleted = 0
          AND EXISTS (SELECT 1
                        FROM disposal d
                       WHERE d.event_id = e.event_id
                         AND d.active_flag = 1
                         AND d.soft_deleted = 0)
        ORDER BY ca.allocation_decision_date DESC NULLS LAST, ca.case_allocation_id DESC
        FETCH FIRST 1 ROW ONLY) decision ON TRUE
  LEFT JOIN LATERAL (
       SELECT s.officer_code,
              s.forename,
              s.forename2,
              s.surname,
              (SELECT u.distinguished_name
                 FROM user_ u
                WHERE u.staff_id = s.staff_id
                ORDER BY u.user_id
                FETCH FIRST 1 ROW ONLY) AS user_name,
              t.code           AS team_code,
              t.description    AS team_description,
              unit.code        AS unit_code,
              unit.description AS unit_description
         FROM offender_manager om
         JOIN staff s ON s.staff_id = om.allocation_staff_id
         JOIN team t ON t.team_id = om.team_id
         LEFT JOIN district unit ON unit.district_id = t.district_id
        WHERE om.offender_id = o.offender_id
          AND om.active_flag = 1
          AND om.soft_deleted = 0
        ORDER BY om.allocation_date DESC, om.offender_manager_id DESC
        FETCH FIRST 1 ROW ONLY) com ON TRUE
  LEFT JOIN LATERAL (
       SELECT r.registration_date,
              r.next_review_date,
              lvl.code_value       AS level_code,
              lvl.code_description AS level_description,
              cat.code_value       AS category_code,
              cat.code_description AS category_description
         FROM registration r
         JOIN r_register_type rt ON rt.register_type_id = r.register_type_id
         LEFT JOIN r_standard_reference_list lvl ON lvl.standard_reference_list_id = r.register_level_id
         LEFT JOIN r_standard_reference_list cat ON cat.standard_reference_list_id = r.register_category_id
        WHERE r.offender_id = o.offender_id
          AND r.soft_deleted = 0
          AND r.deregistered = 0
          AND rt.code = 'MAPP'
        ORDER BY r.registration_date DESC, r.created_datetime DESC, r.registration_id DESC
        FETCH FIRST 1 ROW ONLY) mappa ON TRUE
  LEFT JOIN LATERAL (
       SELECT r.registration_date, rt.code
         FROM registration r
         JOIN r_register_type rt ON rt.register_type_id = r.register_type_id
         JOIN r_standard_reference_list flag ON flag.standard_reference_list_id = rt.register_type_flag_id
        WHERE r.offender_id = o.offender_id
          AND r.soft_deleted = 0
          AND r.deregistered = 0
          AND flag.code_value = 'RoSH'
        ORDER BY r.registration_date DESC, r.created_datetime DESC, r.registration_id DESC
        FETCH FIRST 1 ROW ONLY) rosh ON TRUE
 WHERE o.soft_deleted = 0
   AND (o.crn = ANY ($1) OR o.noms_number = ANY ($2))
 ORDER BY o.crn
