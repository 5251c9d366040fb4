-- Sent notices are forgotten after a while; the announcer looks for them now and then.
create index outcome_notices_sent on outcome_notices (sent_at) where sent_at is not null;
