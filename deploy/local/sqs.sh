# shellcheck shell=bash
# SQS and SNS on this machine: ministack, in the project's own Python environment. It keeps its queues in memory.
# Sourced, not run.

# Starts it and sets SQS_ENDPOINT.
start_sqs() {
    local venv="$ROOT/.local/venv" try port
    ensure_venv "Installing the local SQS and SNS" "$venv" "$LOCAL/requirements.txt"
    for try in 1 2 3 4 5; do
        port=$(free_port)
        start_group "$STATE/logs/sqs.log" env GATEWAY_PORT="$port" BIND_HOST=127.0.0.1 SFTP_ENABLED=0 SERVICES=sqs,sns \
            LOG_LEVEL=ERROR PERSIST_STATE=0 TMPDIR="$STATE/logs" "$venv/bin/ministack"
        if sqs_answers "$STARTED_PID" "$port"; then
            SQS_ENDPOINT="http://127.0.0.1:$port"
            say "Starting SQS and SNS: done"
            return
        fi
        stop_group "$STARTED_PID"
        say "SQS and SNS did not start on port $port (attempt $try): $(last_line "$STATE/logs/sqs.log")"
    done
    fail "the local SQS and SNS does not start; see above"
}

# Waits until the port is open and the process is still running; otherwise another process has the port.
sqs_answers() {
    local left=150
    while ((left-- > 0)); do
        kill -0 "$1" 2>/dev/null || return 1
        port_is_open "$2" && sleep 0.1 && kill -0 "$1" 2>/dev/null && return
        sleep 0.1
    done
    return 1
}

# Exports the endpoint and credentials that it accepts, in the variables that every AWS SDK reads.
use_local_aws() {
    export AWS_ENDPOINT_URL=$SQS_ENDPOINT AWS_REGION=eu-west-2 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    unset AWS_PROFILE AWS_SESSION_TOKEN
}
