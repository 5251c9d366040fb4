mod golden;
mod reading;
mod replay_writes;
