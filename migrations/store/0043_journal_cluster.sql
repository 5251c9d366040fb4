-- Transaction numbers mean something within one database cluster only. Each entry notes the cluster (its system
-- identifier) whose numbers it was ordered by, so that a database restored into another cluster is recognised whatever
-- numbers that one has come to. 0: the event bears a number that this cluster had not come to, so it is from an older
-- one. Null: entered before clusters were noted.
alter table journal add column cluster bigint;

-- A time outside every calendar can be stored but not told.
-- older versions survive this: they leave the time of recording to its default.
alter table events add constraint events_recorded_at_is_a_time check (isfinite(recorded_at)) not valid;
