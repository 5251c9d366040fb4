# shellcheck shell=bash
# H2 in Oracle mode behind a small bridge, for the tests of the Delius gateway. Sourced, not run.

H2_JAR=/usr/share/java/h2.jar

# Starts the bridge and exports H2_BRIDGE, its address.
start_h2_bridge() {
    local classes="$ROOT/target/oracle-mode" left=150
    command -v javac >/dev/null || install_packages "a Java compiler" default-jdk-headless
    [[ -e $H2_JAR ]] || install_packages "H2" libh2-java
    mkdir -p "$classes"
    step "Compiling the bridge to H2" javac -cp "$H2_JAR" -d "$classes" "$ROOT"/tests/oracle-mode/*.java
    start_group "$STATE/logs/h2.log" java -Xmx512m -cp "$H2_JAR:$classes" Bridge
    while ((left-- > 0)); do
        H2_BRIDGE=$(head -n 1 "$STATE/logs/h2.log")
        [[ $H2_BRIDGE == 127.0.0.1:* ]] && break
        kill -0 "$STARTED_PID" 2>/dev/null || fail "the bridge to H2 does not start: $(last_line "$STATE/logs/h2.log")"
        sleep 0.1
    done
    [[ $H2_BRIDGE == 127.0.0.1:* ]] || fail "the bridge to H2 does not answer"
    export H2_BRIDGE
    say "Starting H2 in Oracle mode: done"
}
