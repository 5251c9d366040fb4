//! Plans: from the rows that matter and what is wanted to the row changes, without I/O.
//!
//! # Order of arrival
//!
//! Messages come late, twice and out of order. An event is planned on its own date among the rows that are there: rows
//! that have begun after it are kept, and the event gets the time up to the first of them. Together with one rule for
//! the caller this ends in the same holders, periods and responsible officers whatever the order of arrival:
//!
//! > After a late event, apply the next recorded event in valid time again; of several in one second the one that
//! > counts for that second.
//!
//! That event may have found nothing to do when it came (its holder had the case already), and has something to do
//! now; or it finds its own holder before it, and the two rows become one; or it was a deallocation, whose placeholder
//! is that of the provider which the late event changed. Applied to rows that need no change, an event changes nothing.
//! Joining rows is left to that event, because others may lie between a late event and the next row.
//!
//! Within one second the event that is applied last counts. An event that was overtaken (the answer to its message
//! named another holder already) comes first in its second; the caller sees to it by applying the one that counts again.
//!
//! One limit: when a case is allocated *and* deallocated again within one second, an event that comes late before them
//! can make the placeholder that of its own provider, or leave the placeholder's time in two adjoining rows.
//!
//! # Decisions, and the test of each
//!
//! | rule | why | test |
//! | --- | --- | --- |
//! | Rows that have begun after a late event are kept; its row ends where the next one starts, or where the row it splits ended | history stays history, and a gap that somebody made stays | `a_late_allocation_is_spliced_before_the_next_one` |
//! | Rows that start in the future are replaced by the present allocation only, not by an event from before it | whoever planned knew the present holder | `an_allocation_replaces_the_plans_and_takes_their_time`, `a_late_event_before_rows_that_have_begun_leaves_the_plans_alone` |
//! | Of one second the event applied last counts; the replaced row is soft-deleted | no row without length remains | `the_later_event_of_a_second_replaces_the_row_of_the_earlier_one`, `allocated_deallocated_and_allocated_within_a_second_ends_with_the_last_in_whatever_order`, `overtaken_facts_come_first_within_their_second_in_whatever_order_they_are_worked_on` |
//! | The row of the holder before that second continues when that holder gets the case back | one period, one row | `the_holder_before_that_second_just_goes_on_when_it_gets_the_case_back` |
//! | The same holder is no change, but a new e-mail address is stored; a missing one deletes nothing, one that does not fit is written as null | Manage POM Cases does not always know the address; no address is a reason to leave the case with the wrong manager | `only_a_new_email_address_is_refreshed_and_none_is_kept`, `an_address_that_does_not_fit_is_left_out_and_reported` |
//! | Teams are the same when their codes are, placeholders when their providers are | codes are held by several rows | `of_teams_and_placeholders_with_one_code_the_active_one_is_taken_and_two_are_one` |
//! | Staff who are found outside the POM team are added to it | they hold a case of that team | `found_staff_outside_the_team_are_added_to_it` |
//! | A deallocation goes to the placeholder of the provider that holds the case then | its message need not name a prison | `a_deallocation_gives_the_case_to_the_placeholder_of_the_provider_that_holds_it`, `a_deallocation_moves_to_the_provider_that_a_late_event_put_before_it` |
//! | Later responsibilities of the replaced manager follow to the new one; a community manager's never change | the responsible POM is the one who holds the case | `responsibility_follows_only_the_manager_who_had_it` |
//! | The responsibility of a replaced *planned* manager starts at once where nobody is responsible until then | as the live service does | `a_planned_responsibility_is_brought_forward_where_nobody_is_responsible_until_then` |
//! | A responsibility that outlives its POM row stays as it was after the new row | a write changes nothing outside its own time, and takes nobody's responsible officer away | `a_responsibility_that_outlives_its_row_stays_as_it_was_outside_the_new_row` |
//! | The same date again is no change, a blank one deletes the row | a blank date is published on purpose; a row deleted by a flag would keep its date under the unique key | `each_date_is_created_updated_deleted_or_left`, `a_date_that_was_removed_can_be_set_again_however_often` |
//! | A date that another row of the type holds is taken there, and revived if need be | the unique key counts soft-deleted rows | `a_date_that_a_row_holds_already_is_not_written_to_another_row` |
//! | Of several live dates of a type the oldest row counts; a change leaves one live | at most one is meant to be | `of_several_live_dates_of_a_type_the_oldest_row_counts_and_a_change_leaves_it_alone_live` |
//!
//! Architecture invariant: nothing in here knows a database, a clock or a queue.

pub(crate) mod allocation;
pub(crate) mod change;
pub(crate) mod handover;
mod moment;
mod responsible_officer;
pub(crate) mod rows;
pub(crate) mod staff;

pub(crate) use moment::RowsAtTime;

#[cfg(test)]
mod tests;
