-- The history is told from these too: what was received how often, which attempts failed, what operators decided. None
-- of them is ever changed by the service.
-- older versions survive this: they only ever add to it.
create trigger message_receipts_are_append_only before update or delete on message_receipts
    for each row execute function refuse_change();
-- older versions survive this: they only ever add to it.
create trigger message_receipts_are_never_truncated before truncate on message_receipts
    for each statement execute function refuse_change();
-- older versions survive this: they only ever add to it.
create trigger outbox_attempts_are_append_only before update or delete on outbox_attempts
    for each row execute function refuse_change();
-- older versions survive this: they only ever add to it.
create trigger outbox_attempts_are_never_truncated before truncate on outbox_attempts
    for each statement execute function refuse_change();
-- older versions survive this: they only ever add to it.
create trigger parked_decisions_are_append_only before update or delete on parked_decisions
    for each row execute function refuse_change();
-- older versions survive this: they only ever add to it.
create trigger parked_decisions_are_never_truncated before truncate on parked_decisions
    for each statement execute function refuse_change();
