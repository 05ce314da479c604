#!/usr/bin/env bash
# The demo: two tailport nodes on a private tailnet, all on this machine.
#
#   ssh, a client ─TCP─► tailport connect ═WireGuard═► tailport expose ─TCP─► sshd, a service
#
# usage: tests/demo.sh TAILPORT TAILNET HELPER
#   TAILPORT  the program
#   TAILNET   the private tailnet (tests/tailnet)
#   HELPER    the small service and its client (tests/demo)
# environment: KEEP=1 leaves everything up until Ctrl-C
#
# It ends with 0 when everything was shown, else with 1 and the logs of its
# processes. It uses free ports of loopback and one temporary directory, and ends
# every process that it started, by its id.
set -eu

tailport=$1 tailnet=$2 helper=$3
keep=${KEEP:-}
size=$((32 * 1024 * 1024))

umask 077
# The real path: on some systems the temporary directory lies behind a link.
work=$(cd "$(mktemp -d "${TMPDIR:-/tmp}/tailport-demo.XXXXXX")" && pwd -P)
started='' # "NAME:PID", in the order of their starts
made_run_sshd=''
leaving=''

step() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }

fail() {
    printf '\ndemo: FAILED: %s\n' "$*" >&2
    for log in "$work"/*.log; do
        [ -s "$log" ] || continue
        printf '\n-- the end of %s\n' "${log##*/}" >&2
        tail -n 15 "$log" >&2
    done
    exit 1
}

alive() { kill -0 "$1" 2>/dev/null; }

# end NAME PID: SIGTERM, 20 s to end by itself, then SIGKILL.
end() {
    alive "$2" || return 0
    kill -TERM "$2" 2>/dev/null || return 0
    tries=200
    while alive "$2" && [ $tries -gt 0 ]; do
        sleep 0.1
        tries=$((tries - 1))
    done
    alive "$2" || return 0
    printf 'demo: %s (process %s) did not end in time and is killed\n' "$1" "$2" >&2
    kill -KILL "$2" 2>/dev/null || true
}

# The latest first: what depends on another process ends before it.
leave() {
    code=$?
    [ -z "$leaving" ] || return 0
    leaving=1
    trap '' INT TERM HUP
    reversed=''
    for entry in $started; do reversed="$entry $reversed"; done
    for entry in $reversed; do end "${entry%:*}" "${entry##*:}"; done
    exec 3>&-
    [ -z "$made_run_sshd" ] || rmdir /run/sshd 2>/dev/null || true
    rm -rf "$work"
    exit "$code"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# launch NAME COMMAND…: in the background, in a process group of its own so that
# Ctrl-C reaches it only through leave. stdout goes to NAME.out, stderr to NAME.log.
launch() {
    name=$1
    shift
    : >"$work/$name.out"
    set -m
    "$@" <"$work/alive" >"$work/$name.out" 2>"$work/$name.log" 3>&- &
    set +m
    launched=$!
    started="$started $name:$launched"
}

# await NAME PID SECONDS PATTERN: until a line of NAME.out matches.
await() {
    tries=$(($3 * 10))
    until grep -q "$4" "$work/$1.out"; do
        alive "$2" || fail "$1 ended before it was ready"
        [ $tries -gt 0 ] || fail "$1 was not ready within $3 s"
        sleep 0.1
        tries=$((tries - 1))
    done
}

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1
}

# member NAME KEY: a text in the READY line of NAME.
member() { sed -n "s/^READY .*\"$2\":\"\([^\"]*\)\".*/\1/p" "$work/$1.out"; }

# local_address TARGET: where the second node listens for TARGET.
local_address() {
    sed -n "s/.*\"listen\":\"\([^\"]*\)\",\"target\":\"$1\".*/\1/p" "$work/connect.out"
}

# banner ADDRESS: the first line that comes.
banner() (
    exec 4<>"/dev/tcp/${1%:*}/${1##*:}" || exit 1
    IFS= read -r -t 15 line <&4 || exit 1
    printf '%s\n' "${line%$'\r'}"
)

# What serves reads from this pipe, and ends when even a killed demo is gone.
mkfifo "$work/alive"
exec 3<>"$work/alive"

# ---- the ssh server ----------------------------------------------------------

# ssh_to PORT COMMAND…
ssh_to() {
    ssh_port=$1
    shift
    # shellcheck disable=SC2086 # the options are words without blanks
    ssh $ssh_options -p "$ssh_port" "$user@127.0.0.1" "$@" 2>>"$work/ssh.log" <"${stdin:-/dev/null}"
}

# start_sshd PAM: on a free port; false when it does not run or does not let us in.
start_sshd() {
    for _ in 1 2 3; do
        sshd_port=$("$helper" port)
        cat >"$work/sshd_config" <<CONFIG
ListenAddress 127.0.0.1
Port $sshd_port
HostKey $work/host_key
AuthorizedKeysFile $work/user_key.pub
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM $1
Subsystem sftp internal-sftp
CONFIG
        # The directory is ours alone, but lies in one that others may write.
        echo 'StrictModes no' >>"$work/sshd_config"
        launch sshd "$sshd" -D -e -f "$work/sshd_config"
        tries=50
        while alive "$launched" && [ $tries -gt 0 ]; do
            if banner "127.0.0.1:$sshd_port" >/dev/null 2>&1; then
                ssh_to "$sshd_port" true >/dev/null && return 0
                break
            fi
            sleep 0.1
            tries=$((tries - 1))
        done
        if alive "$launched"; then
            end sshd "$launched"
            return 1
        fi
    done
    return 1
}

find_sshd() {
    sshd=$(PATH="$PATH:/usr/sbin:/usr/local/sbin:/sbin" command -v sshd) &&
        command -v ssh >/dev/null && command -v scp >/dev/null && command -v ssh-keygen >/dev/null
}

prepare_sshd() {
    user=$(id -un)
    ssh-keygen -q -t ed25519 -N '' -C demo -f "$work/host_key"
    ssh-keygen -q -t ed25519 -N '' -C demo -f "$work/user_key"
    printf 'demo-host %s\n' "$(cat "$work/host_key.pub")" >"$work/known_hosts"
    ssh_options="-F /dev/null -i $work/user_key -o IdentitiesOnly=yes -o IdentityAgent=none
        -o BatchMode=yes -o ConnectTimeout=15 -o HostKeyAlias=demo-host
        -o UserKnownHostsFile=$work/known_hosts -o StrictHostKeyChecking=yes"
    # sshd run by root wants this directory; its package makes it at boot.
    if [ "$(id -u)" = 0 ] && [ -d /run ] && [ ! -e /run/sshd ]; then
        mkdir -m 0755 /run/sshd && made_run_sshd=1
    fi
    # PAM lets an account in that has no password; without root it is not there.
    start_sshd no || start_sshd yes
}

# ---- everything up -----------------------------------------------------------

step 'A private tailnet: control server, relay and STUN on loopback'
printf 'tskey-auth-%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$work/authkey"
launch tailnet "$tailnet" --auth-key-file "$work/authkey"
await tailnet "$launched" 20 '^READY '
control=$(member tailnet control_url)
note "control server at $control, an auth key is needed to join"

step 'Something to reach: a local ssh server and a small TCP service'
launch service "$helper" serve
await service "$launched" 10 ':'
service=$(cat "$work/service.out")
if ! find_sshd; then
    ssh_works=''
    note 'no OpenSSH server and client here: the service alone is shown'
elif prepare_sshd; then
    ssh_works=1
    note "sshd at 127.0.0.1:$sshd_port, key login only"
else
    ssh_works=''
    note 'the local sshd lets nobody in with a key: the service alone is shown; it said:'
    sed 's/^/     /' "$work/sshd.log" | tail -n 3
fi
note "service at $service"

# node NAME VERB FORWARD…: a tailport of its own, untouched by the caller's TS_ variables.
node() {
    node_name=$1
    shift
    launch "$node_name" env -i PATH="$PATH" \
        TS_CONTROL_URL="$control" TS_AUTHKEY_FILE="$work/authkey" \
        TS_HOSTNAME="demo-$node_name" TS_STATE_DIR="$work/$node_name" \
        TS_NO_LOGS_NO_SUPPORT=true TS_DISABLE_PORTMAPPER=true \
        "$tailport" "$@"
}

step 'Node 1 puts them on the tailnet'
set -- "7000=$service"
[ -z "$ssh_works" ] || set -- "22=127.0.0.1:$sshd_port" "$@"
note "tailport expose $*"
node expose expose "$@"
expose_pid=$launched

step 'Node 2 brings them to ports of this machine'
set -- 127.0.0.1:0=demo-expose:7000
[ -z "$ssh_works" ] || set -- 127.0.0.1:0=demo-expose:22 "$@"
note "tailport connect $*"
node connect connect "$@"
connect_pid=$launched

await expose "$expose_pid" 40 '^READY '
await connect "$connect_pid" 40 '^READY '
"$helper" meet "$(member tailnet admin_url)" 2 || fail 'the nodes do not find each other'
for each in expose connect; do
    note "$(sed -n 's/^READY .*"addresses":\["\([^"]*\)".*"dns_name":"\([^"]*\)".*/\2 is up at \1/p' "$work/$each.out")"
done
service_here=$(local_address demo-expose:7000)
[ -n "$service_here" ] || fail 'node 2 does not say where it listens'

# ---- what goes through -------------------------------------------------------

head -c "$size" /dev/urandom >"$work/sent"
sent=$(sha256 <"$work/sent")

if [ -n "$ssh_works" ]; then
    ssh_here=$(local_address demo-expose:22)
    step "ssh through the tailnet, at $ssh_here"
    greeting=$(banner "$ssh_here") || fail 'no ssh banner'
    note "banner:  $greeting"
    case $greeting in SSH-2.0-*) ;; *) fail 'this is no ssh banner' ;; esac
    # shellcheck disable=SC2016 # for the shell at the other end
    answer=$(ssh_to "${ssh_here##*:}" 'echo "$(id -un) on $(uname -n), from ${SSH_CONNECTION%% *}"') ||
        fail 'the ssh session failed'
    note "session: $answer"

    step 'A file of 32 MiB by scp, through the tailnet'
    # shellcheck disable=SC2086
    scp -q $ssh_options -P "${ssh_here##*:}" "$work/sent" "$user@127.0.0.1:$work/arrived" \
        2>>"$work/ssh.log" </dev/null || fail 'scp failed'
    note "sha256 here:  $sent"
    note "sha256 there: $(sha256 <"$work/arrived")"
    [ "$(sha256 <"$work/arrived")" = "$sent" ] || fail 'the file arrived changed'
fi

step "32 MiB to the service and back, at $service_here"
"$helper" ask "$service_here" <"$work/sent" >"$work/reply" || fail 'the service did not answer'
there=$(sed -n '2{s/.*sha256 //p;q;}' "$work/reply")
back=$(tail -c "$size" "$work/reply" | sha256)
note "sha256 here:      $sent"
note "sha256 there:     $there"
note "sha256 come back: $back"
[ "$there" = "$sent" ] && [ "$back" = "$sent" ] || fail 'the bytes arrived changed'

step 'A request whose reply comes after the half-close'
note 'client:  sends one line, then closes its sending side'
printf 'is anybody there?\n' >"$work/question"
"$helper" ask "$service_here" <"$work/question" >"$work/reply" || fail 'the reply was lost'
sed 's/^/   service: /' "$work/reply"
grep -q "got 18 bytes, sha256 $(sha256 <"$work/question")" "$work/reply" || fail 'the reply is wrong'
[ "$(sed -n 3p "$work/reply")" = 'is anybody there?' ] || fail 'the reply is not whole'

step 'What node 1 logged'
grep 'connection ended' "$work/expose.log" | sed 's/^/   /' || fail 'no connection was logged'

real_tailnet() {
    cat <<TEXT

On a real tailnet it is three lines (the key is made in the admin console):

   cargo build --release
   (umask 077; cat > authkey)                      # paste the key, then Ctrl-D
   TS_AUTHKEY_FILE=authkey ./target/release/tailport --hostname my-host expose 22

and on another machine, with a key file of its own:

   TS_AUTHKEY_FILE=authkey ./target/release/tailport --hostname my-laptop connect 2222=my-host:22
   ssh -p 2222 USER@127.0.0.1
TEXT
}

if [ -n "$keep" ] && [ "$keep" != 0 ]; then
    step 'Left up until Ctrl-C'
    # shellcheck disable=SC2086
    [ -z "$ssh_works" ] || note ssh $ssh_options -p "${ssh_here##*:}" "$user@127.0.0.1"
    note "$helper ask $service_here"
    note "logs: $work/expose.log and $work/connect.log"
    real_tailnet
    trap 'exit 0' INT TERM
    while alive "$expose_pid" && alive "$connect_pid"; do sleep 1; done
    fail 'a node ended by itself'
fi

step 'Stopping: SIGTERM to both nodes'
for each in "connect $connect_pid" "expose $expose_pid"; do
    name=${each% *} pid=${each#* }
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    note "tailport $name ended with exit code $code"
    [ "$code" = 0 ] || fail "tailport $name ended with exit code $code"
done

real_tailnet
printf '\ndemo: everything went through\n'
