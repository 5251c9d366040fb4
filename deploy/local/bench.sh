#!/usr/bin/env bash
# make bench: servers of its own (fsync on, as everywhere here), the programs that measure the floors, then every row of
# the report in alternating rounds. QUICK=1 makes one round with small numbers. Further arguments go to the program.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

create_state_directory
cd "$ROOT"
need_tools
need wrk wrk
need nginx nginx-light
find_postgres
[[ -x $POSTGRES_BIN/pgbench ]] || fail_setup "pgbench is missing in $POSTGRES_BIN. Install it with: sudo apt-get install postgresql"

# Times of commits tell when a write was committed; statements are counted only where the program asks for it.
POSTGRES_SETTINGS="track_commit_timestamp = on
max_wal_size = '8GB'"
if ls "$(dirname "$POSTGRES_BIN")"/lib/pg_stat_statements.so >/dev/null 2>&1; then
    POSTGRES_SETTINGS+="
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = 'none'"
else
    say "pg_stat_statements is not installed; the row 'counts' will fail"
fi
export POSTGRES_SETTINGS POSTGRES_BIN STATE
start_postgres
export DATABASE_URL="$POSTGRES_URL/postgres"
unset DELIUS_DATABASE_URL QUEUE_URL CHANGE_FEED_QUEUE_URL BULK_QUEUE_URL TOPIC_ARN OUTCOME_TOPIC_ARN MPC_URL AUTH_URL \
    CLIENT_ID CLIENT_SECRET LDAP_URL BIND AWS_ENDPOINT_URL

step "Compiling the service and its measurement (release)" cargo bench --bench speed --no-run
cd "$ROOT"
[[ -z ${QUICK:-} ]] || set -- --quick "$@"
set -m
cargo bench --bench speed -- --json "${BENCH_JSON:-$ROOT/target/bench.json}" "$@" </dev/null &
STARTED_PID=$!
set +m
GROUPS_UP+=("$STARTED_PID")
code=0
wait "$STARTED_PID" || code=$?
forget_group "$STARTED_PID"
exit "$code"
