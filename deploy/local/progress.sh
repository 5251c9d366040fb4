# shellcheck shell=bash
# Progress of slow steps. Sourced, not run. Everything goes to standard error; standard output is for results.

say() { printf '%s\n' "$*" >&2; }

# Print one line and exit: with 2 when a setting or a tool is missing, otherwise with 1.
fail() { say "error: $*"; exit 1; }
fail_setup() { say "error: $*"; exit 2; }

# step TEXT COMMAND…: runs COMMAND (a program or a function) with its output in a log file. On a terminal one line counts
# the seconds and shows the last line of output; elsewhere there is a line at the start, every half minute and at the
# end. A failure shows the end of the log and ends the script.
# COMMAND runs in a subshell, so it can pass results only through files.
step() {
    local text=$1 log pid code=0 began=$SECONDS shown=0
    shift
    log=$(mktemp "$STATE/logs/step.XXXXXX")
    [[ -t 2 ]] || say "$text …"
    start_group "$log" "$@"
    pid=$STARTED_PID
    while kill -0 "$pid" 2>/dev/null; do
        if [[ -t 2 ]]; then
            printf '\r\033[K%s … %ds  %s' "$text" $((SECONDS - began)) "$(last_line "$log")" >&2
        elif ((SECONDS - began - shown >= 30)); then
            shown=$((SECONDS - began))
            say "$text … ${shown}s  $(last_line "$log")"
        fi
        sleep 0.2
    done
    wait "$pid" 2>/dev/null || code=$?
    forget_group "$pid"
    [[ -t 2 ]] && printf '\r\033[K' >&2
    if ((code != 0)); then
        say "$text failed (exit code $code). The end of its output:"
        tail -n 40 "$log" | sed 's/^/    /' >&2
        exit 1
    fi
    say "$text: done in $((SECONDS - began))s"
}

# The last line of a log, short enough for one line of a terminal.
last_line() { tail -n 1 "$1" 2>/dev/null | tr -d '\r\033' | tr '\t' ' ' | cut -c 1-60; }
