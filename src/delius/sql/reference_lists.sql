select master.code_set_name, list.code_value, list.standard_reference_list_id, list.code_description
from r_standard_reference_list list
join r_reference_data_master master on master.reference_data_master_id = list.reference_data_master_id
where master.code_set_name in (:sets) and list.selectable = 'Y'
order by list.standard_reference_list_id
