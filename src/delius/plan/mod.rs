//! Plans: from the rows that matter and what is wanted to the row changes, without I/O.
//!
//! # Order of arrival
//!
//! Messages come late, twice and out of order. An event is planned on its own date among the rows that are there: what
//! has begun after it is kept, and the event gets the time up to it. Together with one rule for the caller this ends in
//! the same holders, periods and responsible officers whatever the order of arrival:
//!
//! > After a late event, apply the next recorded event in valid time again; of several in that second the one that
//! > was recorded last.
//!
//! For that event may have found nothing to do when it came (its holder had the case already), and has something to
//! do now; or it finds its own holder before it, and the two rows become one; or it was a deallocation, whose
//! placeholder is that of the provider which the late event changed. Applied to rows that need no change, an event
//! changes nothing. Joining rows is left to that event, because others may lie between a late event and the next row.
//!
//! One limit: when a case is allocated *and* deallocated again within one second, an event that comes late before them
//! can make the placeholder that of its own provider, or leave the placeholder's time in two adjoining rows.
//!
//! # What was decided, and the test that holds it
//!
//! | rule | why | test |
//! | --- | --- | --- |
//! | Rows that have begun after a late event are kept; its row ends where the next one starts, or where the row it splits ended | history stays history, and a gap that somebody made stays | `a_late_allocation_is_spliced_before_the_next_one` |
//! | Rows that start in the future are replaced by the present allocation only, not by an event from before it | whoever planned knew the present holder | `an_allocation_replaces_the_plans_and_takes_their_time`, `a_late_event_before_rows_that_have_begun_leaves_the_plans_alone` |
//! | Of one second the event recorded last counts; the replaced row is soft-deleted | no row without length remains | `the_later_event_of_a_second_replaces_the_row_of_the_earlier_one` |
//! | Who had the case before that second just goes on when it gets the case back | one period, one row | `the_holder_before_that_second_just_goes_on_when_it_gets_the_case_back` |
//! | The same holder is no change, but a new e-mail address is stored; a missing one deletes nothing | Manage POM Cases does not always know the address | `only_a_new_email_address_is_refreshed_and_none_is_kept` |
//! | Staff who are found outside the POM team are added to it | they hold a case of that team | `found_staff_outside_the_team_are_added_to_it` |
//! | A deallocation goes to the placeholder of the provider that holds the case then | its message need not name a prison | `a_deallocation_gives_the_case_to_the_placeholder_of_the_provider_that_holds_it`, `a_deallocation_moves_to_the_provider_that_a_late_event_put_before_it` |
//! | Later responsibilities of the replaced manager follow to the new one; a community manager's never change | the responsible POM is the one who holds the case | `responsibility_follows_only_the_manager_who_had_it` |
//! | A responsibility that outlives its POM row stays as it was after the new row | a write changes nothing outside its own time, and takes nobody's responsible officer away | `a_responsibility_that_outlives_its_row_stays_as_it_was_outside_the_new_row` |
//! | The same date again is no change, a blank one deletes | a blank date is published on purpose | `each_date_is_created_updated_deleted_or_left` |
//! | Of several live dates of a type the oldest row counts; a change leaves it alone live | at most one is meant to be | `of_several_live_dates_of_a_type_the_oldest_row_counts_and_a_change_leaves_it_alone_live` |
//!
//! Architecture invariant: nothing in here knows a database, a clock or a queue.

pub(crate) mod allocation;
pub(crate) mod change;
pub(crate) mod handover;
mod moment;
mod responsible_officer;
pub(crate) mod rows;
pub(crate) mod staff;

pub(crate) use moment::Moment;

#[cfg(test)]
mod tests;
