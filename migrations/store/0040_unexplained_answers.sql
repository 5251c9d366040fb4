-- How often an answer that explains nothing (a 404 without a documented body, another status) was given for a message
-- that is still in its queue. What SQS counts will not do: outages use up its receives too.
create table unexplained_answers (
    message_id text        not null,
    answer     text        not null, -- the status, or what was missing
    tries      integer     not null default 1,
    last_at    timestamptz not null default clock_timestamp(),
    primary key (message_id, answer)
);
