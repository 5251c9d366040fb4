-- The journal: a Merkle log (RFC 9162) over the events of all cases and everything else that a history shows. It proves
-- that nobody changed any of it since. The code and the exact form of the leaves are in src/audit/journal.
--
-- One leader at a time gives committed rows the next dense positions, in the order of their transactions and only below
-- the oldest transaction still running, so that a row that commits late is not skipped.
create table journal (
    position   bigint      primary key check (position > 0), -- leaf `position - 1` of the tree
    source     text        not null, -- which table: event, receipt, parkedMessage, …
    source_id  bigint      not null, -- `id` of the row there
    xid        xid8        not null, -- the transaction that added the row
    case_id    text,                 -- NOMS number, where the row names one; null once the row is erased
    sequence   bigint,               -- of an event
    salt       bytea check (octet_length(salt) = 16), -- null once the row is erased
    leaf       bytea       not null check (octet_length(leaf) = 32), -- SHA-256(0x00 ‖ salt ‖ canonical bytes of the row)
    cluster    bigint,     -- system identifier of the cluster whose transaction numbers ordered it; 0: an older one
    entered_at timestamptz not null default clock_timestamp(),
    unique (source, source_id)
);
create index journal_by_case on journal (case_id, sequence) where case_id is not null;

-- Complete subtrees of 16, 256, 4096, … leaves. With them a root or a proof costs a few reads, however long the log is.
create table journal_subtrees (
    level smallint not null check (level > 0 and level % 4 = 0), -- the subtree has 2^level leaves
    index bigint   not null check (index >= 0),                  -- from leaf index · 2^level on
    hash  bytea    not null check (octet_length(hash) = 32),
    primary key (level, index)
);

-- Signed statements "the log of this size has this root", as they were published.
create table checkpoints (
    size         bigint      primary key check (size > 0),
    note         text        not null, -- C2SP tlog-checkpoint
    published_at timestamptz not null default clock_timestamp()
);

-- What was erased, by whom and why. The row is a leaf too, and says which leaves have lost their row.
create table erasures (
    id        bigint      generated always as identity primary key,
    at        timestamptz not null default clock_timestamp(),
    by_whom   text        not null,
    why       text        not null,
    pseudonyms text[]     not null, -- derived from the NOMS numbers at a cost that makes trying all numbers slow
    positions bigint[]    not null, -- of the journal
    removed   jsonb       not null  -- how many rows of which table
);
create index erasures_by_pseudonym on erasures using gin (pseudonyms);

create trigger journal_is_append_only before update or delete on journal
    for each row execute function refuse_change();
create trigger journal_is_never_truncated before truncate on journal
    for each statement execute function refuse_change();
create trigger journal_subtrees_are_append_only before update or delete on journal_subtrees
    for each row execute function refuse_change();
create trigger journal_subtrees_are_never_truncated before truncate on journal_subtrees
    for each statement execute function refuse_change();
create trigger checkpoints_are_append_only before update or delete on checkpoints
    for each row execute function refuse_change();
create trigger checkpoints_are_never_truncated before truncate on checkpoints
    for each statement execute function refuse_change();
create trigger erasures_are_append_only before update or delete on erasures
    for each row execute function refuse_change();
create trigger erasures_are_never_truncated before truncate on erasures
    for each statement execute function refuse_change();

-- The journal takes the rows of these tables in the order of their transactions.
alter table message_receipts add column xid xid8 not null default pg_current_xact_id();
create index message_receipts_by_commit on message_receipts (xid, id);
alter table parked_messages add column xid xid8 not null default pg_current_xact_id();
create index parked_messages_by_commit on parked_messages (xid, id);
alter table parkings add column xid xid8 not null default pg_current_xact_id();
create index parkings_by_commit on parkings (xid, id);
alter table parked_decisions add column xid xid8 not null default pg_current_xact_id();
create index parked_decisions_by_commit on parked_decisions (xid, id);
alter table outbox_attempts add column id bigint generated always as identity;
create index outbox_attempts_by_id on outbox_attempts (id);
alter table outbox_attempts add column xid xid8 not null default pg_current_xact_id();
create index outbox_attempts_by_commit on outbox_attempts (xid, id);
alter table erasures add column xid xid8 not null default pg_current_xact_id();
create index erasures_by_commit on erasures (xid, id);
