mod history;
mod limits;
mod queue_admin;
mod records;
mod tokens;
