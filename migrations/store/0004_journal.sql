-- The journal: one order over the events of all cases, and the proof that nobody changed them since.
--
-- One leader at a time gives committed events the next dense positions, in the order (xid, id) and only below the
-- oldest transaction still running, so that nothing that commits late is skipped. Each hash is
-- SHA-256(hash of the position before, or 32 zero bytes ‖ canonical bytes of the event): see event_store/journal.
create table journal (
    position       bigint      primary key check (position > 0),
    aggregate_type text        not null,
    aggregate_id   text        not null,
    sequence       bigint      not null,
    event_xid      xid8        not null,
    event_id       bigint      not null,
    event_digest   bytea       not null check (octet_length(event_digest) = 32), -- SHA-256(canonical bytes)
    hash           bytea       not null check (octet_length(hash) = 32),
    cluster        bigint,     -- system identifier of the cluster whose transaction numbers ordered it; 0: an older one
    entered_at     timestamptz not null default clock_timestamp(),
    unique (aggregate_type, aggregate_id, sequence)
);

create trigger journal_is_append_only before update or delete on journal
    for each row execute function refuse_change();
create trigger journal_is_never_truncated before truncate on journal
    for each statement execute function refuse_change();
