mod append;
mod expand_only;
mod given_up;
mod kept_connections;
mod migrations;
mod stale_connections;
mod statements;
