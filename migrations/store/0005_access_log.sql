-- Who read whose personal data: every reading is recorded before its answer is given.
create table access_log (
    id       bigint      generated always as identity primary key,
    at       timestamptz not null default clock_timestamp(),
    by_whom  text        not null, -- user name of the token, or of the command line
    via      text        not null check (via in ('http', 'cli')),
    client   text, -- client id of the token
    action   text        not null check (action in ('history', 'explain', 'deliusRow', 'subjectAccess', 'evidence',
                                                    'write', 'parkedMessage', 'difference')),
    case_id  text, -- NOMS number; none for a parked message that names nobody, and after an erasure
    position bigint, -- the entry that was explained, or the number of the parked message
    as_of    timestamptz,
    known_at timestamptz,
    format   text,
    found    boolean     not null,
    xid      xid8        not null default pg_current_xact_id() -- the order of the journal
);
create index access_log_by_case on access_log (case_id, at);

create index access_log_by_commit on access_log (xid, id);

create trigger access_log_is_append_only before update or delete on access_log
    for each row execute function refuse_change();
create trigger access_log_is_never_truncated before truncate on access_log
    for each statement execute function refuse_change();
