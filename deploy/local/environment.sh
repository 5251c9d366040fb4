# shellcheck shell=bash
# The environment of `make run` and `make test`: a state directory for each start, the list of started processes, and the
# cleanup. Sourced, not run.
#
# Invariants: two starts share nothing (ports, sockets, databases, queues), so any number can run at the same time.
# Nothing that this script did not start is ever stopped. Every exit goes through `clean_up`; what a `kill -9` leaves
# behind is removed by the next start of the same user.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LOCAL="$ROOT/deploy/local"
# shellcheck source=deploy/local/progress.sh
source "$LOCAL/progress.sh"
# shellcheck source=deploy/local/tools.sh
source "$LOCAL/tools.sh"
# shellcheck source=deploy/local/postgres.sh
source "$LOCAL/postgres.sh"
# shellcheck source=deploy/local/sqs.sh
source "$LOCAL/sqs.sh"
# shellcheck source=deploy/local/slapd.sh
source "$LOCAL/slapd.sh"
# shellcheck source=deploy/local/oracle-mode.sh
source "$LOCAL/oracle-mode.sh"

STATE_PREFIX="pom-cases-$EUID-"
CLEANERS=()  # commands that run at the end, in reverse order
GROUPS_UP=() # process groups that this script still has to stop
STARTED_PID=

# Creates the state directory. It is not in the checkout for two reasons: the PostgreSQL server may run as another user,
# who must be able to reach it, and the path of a unix socket is limited to about a hundred characters.
create_state_directory() {
    local parent
    for parent in /var/tmp /tmp; do
        [[ -d $parent && -w $parent ]] && break
    done
    remove_leftovers "$parent"
    STATE=$(mktemp -d "$parent/${STATE_PREFIX}XXXXXX") || fail "cannot make a directory in $parent"
    chmod 711 "$STATE"
    mkdir -m 700 "$STATE/logs"
    echo "$$" >"$STATE/owner"
    # Inherited by every process that is started from here, so that a later start can recognise them.
    export POM_CASES_STATE=$STATE
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# start_group LOG COMMAND…: starts COMMAND in its own process group. The terminal's Ctrl-C does not reach it, so that
# processes are stopped in order and not all at once. Sets STARTED_PID.
start_group() {
    local log=$1
    shift
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    STARTED_PID=$!
    set +m
    GROUPS_UP+=("$STARTED_PID")
    echo "$STARTED_PID" >>"$STATE/started"
}

forget_group() {
    local pid kept=()
    for pid in "${GROUPS_UP[@]}"; do
        [[ $pid == "$1" ]] || kept+=("$pid")
    done
    GROUPS_UP=("${kept[@]}")
}

# stop_group PID: sends SIGTERM to the group, and SIGKILL after 40 seconds.
stop_group() {
    local pid=$1 left=400
    kill -TERM -- "-$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null && ((left-- > 0)); do sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    forget_group "$pid"
}

clean_up() {
    local code=$? i
    trap - EXIT
    trap '' HUP INT TERM # a second Ctrl-C must not interrupt the cleanup
    for ((i = ${#GROUPS_UP[@]} - 1; i >= 0; i--)); do
        stop_group "${GROUPS_UP[i]}"
    done
    for ((i = ${#CLEANERS[@]} - 1; i >= 0; i--)); do
        ${CLEANERS[i]} || true
    done
    cd / && rm -rf "$STATE"
    exit "$code"
}

# Stops and removes what killed starts of this user left behind.
remove_leftovers() {
    local parent=$1 old owner pid
    for old in "$parent/$STATE_PREFIX"*; do
        [[ -O $old && -f $old/owner ]] || continue
        owner=$(<"$old/owner")
        kill -0 "$owner" 2>/dev/null && continue
        say "removing what an earlier start left behind in $old"
        while read -r pid; do
            started_by "$old" "$pid" && kill -KILL -- "-$pid" 2>/dev/null
        done < <(cat "$old/started" 2>/dev/null)
        pid=$(head -n 1 "$old/postgres/postmaster.pid" 2>/dev/null)
        [[ -n $pid ]] && started_by "$old" "$pid" && kill -INT "$pid" 2>/dev/null && await_end "$pid"
        rm -rf "$old"
    done
    return 0
}

# started_by DIRECTORY PID: whether the process was started from that state directory.
started_by() {
    [[ -r /proc/$2/environ ]] &&
        tr '\0' '\n' 2>/dev/null <"/proc/$2/environ" | grep -qxF "POM_CASES_STATE=$1"
}

await_end() {
    local left=100
    while kill -0 "$1" 2>/dev/null && ((left-- > 0)); do sleep 0.1; done
}

# Prints a free port, below the range that the kernel uses for outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        port_is_open "$port" || break
    done
    echo "$port"
}

# port_is_open PORT [HOST]
port_is_open() { (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null; }

# Prints a password; each start has its own.
secret() { od -An -N 16 -tx1 /dev/urandom | tr -d ' \n'; }
