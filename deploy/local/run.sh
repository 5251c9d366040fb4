#!/usr/bin/env bash
# make run: starts the service with everything that it needs on this machine, shows a demonstration with invented cases,
# and runs until Ctrl-C. ONCE=1 stops after the demonstration, with exit code 0 or 1. DEMO=0 skips the demonstration.
#
# For a setting that is exported already (DATABASE_URL, DELIUS_DATABASE_URL, AWS_ENDPOINT_URL, QUEUE_URL, MPC_URL,
# AUTH_URL, BIND) that part is not started here. Invented cases are added only to a Delius that this script created,
# unless SEED=1 asks for it. The demonstration runs only if this script started every part that it checks.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# Who reads or decides is recorded, and the commands refuse to run without a name; a container often names no user.
export USER=${USER:-$(id -un)}

TARGET=${CARGO_TARGET_DIR:-$ROOT/target}/debug
SERVICE="$TARGET/manage-pom-cases-and-delius"
TOOLS="$TARGET/examples/local"
WHY_NO_DEMO=
[[ ${DEMO:-1} == 0 ]] && WHY_NO_DEMO="DEMO=0"

once() { [[ -n ${ONCE:-} && $ONCE != 0 ]]; }

main() {
    create_state_directory
    cd "$ROOT"
    need_tools
    start_servers
    step "Compiling" cargo build --bin manage-pom-cases-and-delius --example local
    prepare_databases
    prepare_queues
    prepare_stand_ins
    start_service
    write_environment
    if [[ -n $WHY_NO_DEMO ]]; then
        say "No demonstration: $WHY_NO_DEMO"
        rewrite_samples
    elif ! demonstrate; then
        once && fail "the demonstration failed; see above"
        say "The demonstration failed. The service keeps running so that you can inspect it."
    fi
    once && return
    trap 'exit 0' INT TERM # from here on Ctrl-C is the normal end
    say ""
    say "Running on $API_URL, logging to $STATE/logs/service.log. Ctrl-C stops everything."
    say "In another terminal: source $STATE/env"
    wait "$SERVICE_PID" 2>/dev/null || true
    service_failed
}

# Runs before the long compilation, so that a missing package is reported at once.
start_servers() {
    if [[ -z ${DATABASE_URL:-} || -z ${DELIUS_DATABASE_URL:-} ]]; then
        start_postgres
    fi
    if [[ -z ${QUEUE_URL:-} && -z ${AWS_ENDPOINT_URL:-} ]]; then
        start_sqs
        use_local_aws
    fi
}

prepare_databases() {
    local seed=${SEED:-}
    if [[ -z ${DATABASE_URL:-} ]]; then
        make_database pom_cases
        export DATABASE_URL="$POSTGRES_URL/pom_cases"
    fi
    if [[ -z ${DELIUS_DATABASE_URL:-} ]]; then
        make_database delius
        export DELIUS_DATABASE_URL="$POSTGRES_URL/delius"
        seed=1
    fi
    step "Migrating our store" "$SERVICE" migrate
    if [[ -n $seed ]]; then
        step "Migrating the development Delius" "$SERVICE" migrate --delius
        step "Adding invented cases" "$TOOLS" seed
    else
        WHY_NO_DEMO="you set DELIUS_DATABASE_URL, and no invented cases were added to it (SEED=1 adds them)"
    fi
}

prepare_queues() {
    local prefix
    if [[ -n ${QUEUE_URL:-} ]]; then
        [[ -n ${TOPIC_ARN:-} ]] || WHY_NO_DEMO="you set QUEUE_URL without TOPIC_ARN, the topic to publish to"
        return
    fi
    prefix=$(basename "$STATE") # an AWS_ENDPOINT_URL that you gave may have other queues
    "$TOOLS" queues --prefix "$prefix" >"$STATE/queues" || fail "cannot make the queues; see above"
    local yours=${BULK_QUEUE_URL:-}
    # shellcheck source=/dev/null
    source "$STATE/queues"
    [[ -z $yours ]] || export BULK_QUEUE_URL=$yours
}

prepare_stand_ins() {
    if [[ -n ${MPC_URL:-} || -n ${AUTH_URL:-} ]]; then
        [[ -n ${MPC_URL:-} && -n ${AUTH_URL:-} ]] ||
            fail_setup "set both MPC_URL and AUTH_URL, or neither: one stand-in plays both"
        WHY_NO_DEMO="you set MPC_URL, and only the stand-in gives the answers that the samples expect"
        return
    fi
    export CLIENT_ID=pom-cases-local CLIENT_SECRET READER_ID=reader READER_SECRET
    CLIENT_SECRET=$(secret)
    READER_SECRET=$(secret)
    local address="$STATE/stand-ins.address"
    start_group "$STATE/logs/stand-ins.log" "$TOOLS" stand-ins --answers "$LOCAL/mpc-answers.json" --ready-file "$address"
    until [[ -s $address ]]; do
        kill -0 "$STARTED_PID" 2>/dev/null || fail "the stand-ins did not start: $(last_line "$STATE/logs/stand-ins.log")"
        sleep 0.1
    done
    MPC_URL="http://$(<"$address")"
    export MPC_URL AUTH_URL="$MPC_URL/auth"
    say "Starting stand-ins for Manage POM Cases and HMPPS Auth: done ($MPC_URL)"
}

start_service() {
    local host port left=300
    if [[ -z ${BIND:-} ]]; then
        port=8080
        port_is_open "$port" && port=$(free_port)
        BIND=127.0.0.1:$port
    fi
    port=${BIND##*:}
    host=${BIND%:*}
    [[ $port == 0 ]] && port=$(free_port)
    # Whoever works here is recorded with what they look at; a container may not say who that is.
    export USER=${USER:-$(id -un)}
    export BIND=$host:$port SHUTDOWN_DELAY_SECONDS=${SHUTDOWN_DELAY_SECONDS:-0}
    [[ $host == 0.0.0.0 || $host == '[::]' ]] && host=127.0.0.1
    API_URL="http://$host:$port"
    port_is_open "$port" "$host" && fail_setup "BIND: another process listens on $host:$port; choose another port"
    start_group "$STATE/logs/service.log" "$SERVICE" serve
    SERVICE_PID=$STARTED_PID
    until port_is_open "$port" "$host"; do
        if ! kill -0 "$SERVICE_PID" 2>/dev/null || ((left-- == 0)); then service_failed; fi
        sleep 0.1
    done
    # Another process may have taken the port first; then the service ends.
    sleep 0.5
    kill -0 "$SERVICE_PID" 2>/dev/null || service_failed
    say "Starting the service: done ($API_URL)"
}

# The samples name https://mpc.example; only addresses on MPC_URL are ever fetched.
rewrite_samples() {
    local sample
    mkdir -p "$STATE/event-samples"
    for sample in "$ROOT"/event-samples/*.json; do
        sed "s#https://mpc.example#$MPC_URL#g" "$sample" >"$STATE/event-samples/$(basename "$sample")"
    done
}

service_failed() {
    say "The service is not running. The end of its log:"
    tail -n 20 "$STATE/logs/service.log" | sed 's/^/    /' >&2
    exit 1
}

# Runs the demonstration in the background and waits for it, so that a signal is handled at once.
demonstrate() {
    local code=0
    set -m
    "$TOOLS" demo --rewritten "$STATE/event-samples" --service "$SERVICE" --api-url "$API_URL" </dev/null &
    STARTED_PID=$!
    set +m
    GROUPS_UP+=("$STARTED_PID")
    wait "$STARTED_PID" || code=$?
    forget_group "$STARTED_PID"
    return "$code"
}

# Writes the settings that another terminal needs.
write_environment() {
    local name
    {
        for name in DATABASE_URL DELIUS_DATABASE_URL AWS_ENDPOINT_URL AWS_REGION AWS_ACCESS_KEY_ID \
            AWS_SECRET_ACCESS_KEY TOPIC_ARN QUEUE_URL DLQ_URL BULK_QUEUE_URL BULK_DLQ_URL MPC_URL AUTH_URL CLIENT_ID \
            CLIENT_SECRET READER_ID READER_SECRET API_URL USER; do
            [[ -n ${!name:-} ]] && printf 'export %s=%q\n' "$name" "${!name}"
        done
        printf 'export SAMPLES=%q SERVICE_LOG=%q SERVICE_PID=%q\n' "$STATE/event-samples" "$STATE/logs/service.log" "$SERVICE_PID"
        # shellcheck disable=SC2016 # for the shell that reads it
        printf 'export PATH=%q:$PATH\n' "$TARGET"
    } >"$STATE/env"
    chmod 600 "$STATE/env"
}

main
