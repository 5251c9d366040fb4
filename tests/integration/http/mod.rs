mod batch;
mod history;
mod limits;
mod openapi;
mod queue_admin;
mod records;
mod tokens;
