mod any_input;
mod event_samples;
mod feed_drained;
mod kinds;
mod odd;
mod routing;
pub(crate) mod sqs;
mod stand_ins_contract;
mod waiting;
