-- What messages say about the identifiers of persons, derived from the events and kept in the same transaction. Which
-- numbers belong to one person follows from all facts about them: the service resolves it when it is asked, so that
-- the order in which messages arrive does not matter.
create table identity_facts (
    case_id     text        not null, -- the stream that records it; a change is recorded in every stream concerned
    sequence    bigint      not null,
    ordinal     integer     not null,
    kind        text        not null check (kind in ('holds', 'replaced', 'merged', 'unmerged')),
    one         text        not null, -- CRN that holds; number or CRN that goes; CRN that is active again
    other       text        not null, -- number held; number or CRN that stays; CRN that it was merged with
    at          timestamptz not null, -- valid time
    recorded_at timestamptz not null,
    primary key (case_id, sequence, ordinal)
);
create index identity_facts_by_one on identity_facts (one);
create index identity_facts_by_other on identity_facts (other);
