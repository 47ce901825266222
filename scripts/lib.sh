# Shared by the scripts beside it: plain words, steps that show they are alive, and one way to call compose.
# shellcheck shell=bash

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' yellow=$'\e[33m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' yellow='' green='' plain=''
fi

# A script that ends because of something nobody foresaw says where.
set -E
trap 'fail "${BASH_SOURCE[0]}, line $LINENO: this went wrong: $BASH_COMMAND"' ERR

say() { printf '%s==>%s %s\n' "$bold$green" "$plain" "$*"; }
note() { printf '    %s\n' "$*"; }
warn() { printf '%s==> %s%s\n' "$bold$yellow" "$*" "$plain"; }
fail() { printf '%s==> %s%s\n' "$bold$red" "$*" "$plain" >&2; }

# step "what happens" command …: runs the command quietly, says every few seconds that it still runs and what it last
# said, and shows the end of its output when it fails. Its exit code is the command's.
step() {
    local what=$1 log pid started code=0 told=0 now line
    shift
    log=$(mktemp "${TMPDIR:-/tmp}/seaway-step.XXXXXX")
    say "$what"
    started=$SECONDS
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        now=$((SECONDS - started))
        if ((now - told >= 5)); then
            told=$now
            line=$(tail -c 400 "$log" | tr '\r' '\n' | sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' | tail -n 1 | cut -c 1-100)
            note "${dim}… ${now} s${line:+: $line}${plain}"
        fi
    done
    wait "$pid" || code=$?
    if ((code != 0)); then
        fail "failed (exit code $code) after $((SECONDS - started)) s. The last of what it said:"
        tr '\r' '\n' <"$log" | sed '/^[[:space:]]*Building \[/d; s/^/    /' | tail -n 25 >&2
    elif ((SECONDS - started >= 5)); then
        note "done in $((SECONDS - started)) s"
    fi
    rm -f "$log"
    return "$code"
}

# Docker answers: the client is there and reaches an engine.
docker_answers() {
    command -v docker >/dev/null 2>&1 && timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# Whether compose v2 or its predecessor can be called; says which on stdout.
compose_kind() {
    if command -v docker >/dev/null 2>&1 && timeout 20 docker compose version >/dev/null 2>&1; then
        echo v2
    elif command -v docker-compose >/dev/null 2>&1 && timeout 30 docker-compose version >/dev/null 2>&1; then
        echo v1
    else
        return 1
    fi
}

# Where the static binaries are: the machine's own target triple, always named, because flags that are given together with a
# named target leave build scripts and procedural macros alone (those cannot be linked statically).
static_triple() { rustc -vV | sed -n 's/^host: //p'; }
static_dir() { echo "${CARGO_TARGET_DIR:-target}/$(static_triple)/release"; }

# The images of this repository, as docker-compose.yml names them.
# shellcheck disable=SC2034 # used by those who read this file
readonly seaway_image=seaway:local
# shellcheck disable=SC2034
readonly demo_app_image=seaway-demo-app:local

# An image's size in words.
image_size() {
    docker image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.1f MB\n", $1 / 1e6 }'
}
