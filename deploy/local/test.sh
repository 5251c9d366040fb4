#!/usr/bin/env bash
# make test, test-faults, test-oracle-mode, soak: starts PostgreSQL, SQS and SNS, then runs the tests. Arguments go to the test runner.
#
# SUITE is tests (every test but the long ones), faults (all fault tests), oracle-mode (the Delius gateway on H2 in
# Oracle mode) or soak. The tests are built with the feature
# `failpoints`: places at which the service kills itself on request. No other build has them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

create_state_directory
cd "$ROOT"
need_tools

if [[ -n ${DATABASE_URL:-} ]]; then
    say "the tests use the PostgreSQL server of DATABASE_URL; they create and drop their own databases there"
else
    start_postgres
    export DATABASE_URL="$POSTGRES_URL/postgres"
fi
if [[ -n ${AWS_ENDPOINT_URL:-} ]]; then
    say "the tests use the SQS and SNS of AWS_ENDPOINT_URL; they create and delete their own queues there"
else
    start_sqs
    use_local_aws
fi
ensure_slapd
# Settings of a real service must not reach a test by accident.
unset DELIUS_DATABASE_URL QUEUE_URL CHANGE_FEED_QUEUE_URL BULK_QUEUE_URL TOPIC_ARN OUTCOME_TOPIC_ARN MPC_URL AUTH_URL \
    CLIENT_ID CLIENT_SECRET LDAP_URL BIND INTERNAL_BIND CHECKPOINT_KEY CHECKPOINT_FILE CHECKPOINT_TOPIC_ARN
# DATABASE_PORT, DELIUS_DATABASE_PORT and the other parts of an address would win over the URL of a test.
for part in HOST PORT NAME USER PASSWORD POOL; do unset "DATABASE_$part" "DELIUS_DATABASE_$part"; done

# run COMMAND…: runs COMMAND as if in the foreground, but so that a signal reaches this script at once.
run() {
    local code=0
    set -m
    "$@" </dev/null &
    STARTED_PID=$!
    set +m
    GROUPS_UP+=("$STARTED_PID")
    wait "$STARTED_PID" || code=$?
    forget_group "$STARTED_PID"
    ((code == 0)) || exit "$code"
}

# The fault tests stop and start their own cluster.
[[ -n ${POSTGRES_BIN:-} ]] || find_postgres
export POSTGRES_BIN

FEATURES=(--features failpoints)
nextest() { cargo nextest --version >/dev/null 2>&1; }

case ${SUITE:-tests} in
tests)
    if nextest; then
        step "Compiling the tests" cargo nextest run "${FEATURES[@]}" --no-run
        cd "$ROOT"
        run cargo nextest run "${FEATURES[@]}" --no-fail-fast "$@"
    else
        step "Compiling the tests" cargo test "${FEATURES[@]}" --lib --bins --tests --examples --no-run
        run cargo test "${FEATURES[@]}" --lib --bins --tests --examples --no-fail-fast "$@"
    fi
    if (($# == 0)); then
        run cargo test "${FEATURES[@]}" --doc
    fi
    ;;
faults)
    ensure_faketime
    step "Compiling the tests" cargo test "${FEATURES[@]}" --test faults --no-run
    if nextest; then
        # nextest adds filters up, so a filter that is given replaces this one.
        (($# > 0)) || set -- -E 'not test(=soak::soak)'
        run cargo nextest run "${FEATURES[@]}" --test faults --run-ignored all --no-fail-fast "$@"
    else
        run cargo test "${FEATURES[@]}" --test faults --no-fail-fast -- --include-ignored --skip soak::soak "$@"
    fi
    ;;
oracle-mode)
    start_h2_bridge
    # What a scenario checks with a second session or a broken PostgreSQL is not about the engine's dialect.
    chosen=(writes::allocation writes::handover writes::names writes::constraints writes::lookups reads::fields
        writes::once::applying_every_write_twice writes::once::the_same_write_from_many
        writes::once::the_development_schema writes::once::without_audit_user)
    step "Compiling the tests" cargo test "${FEATURES[@]}" --test integration --no-run
    run cargo test "${FEATURES[@]}" --test integration -- "${@:-${chosen[@]}}"
    ;;
soak)
    ensure_faketime
    step "Compiling the tests" cargo test "${FEATURES[@]}" --test faults --no-run
    run cargo test "${FEATURES[@]}" --test faults -- --ignored --nocapture --exact soak::soak
    ;;
*) fail "unknown SUITE ${SUITE}: expected tests, faults, oracle-mode or soak" ;;
esac
