mod expand_only;
mod given_up;
mod migrations;
