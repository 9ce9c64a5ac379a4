#!/bin/sh
# What a preview's machine runs: fetch the source, build it, become the application.
#
# Any POSIX shell will do, and any image that has tar with gzip and one of curl, wget, python and node. The source
# comes from a capability URL (docs/architecture.md), which neither the build nor the application gets to see: once the
# source is there, this script becomes itself anew without it, since a process's first environment can be read.
#
#   PRESTAGE_SOURCE_URL   answers with a .tar.gz that has one top folder
#   PRESTAGE_SHA          the commit that it is of
#   PRESTAGE_DIRECTORY    the application's folder in it (default: .)
#   PRESTAGE_BUILD        command run once in that folder (default: none)
#   PRESTAGE_START        command that becomes the application
#   PRESTAGE_FETCH_WAITS  seconds between tries, one more try than waits
#
# Where visitors have to give a password, Caddy asks for it in front of the application (docs/adr/0017):
#
#   PRESTAGE_GATE_URL     answers with Caddy's .tar.gz for this machine; without it there is no gate
#   PRESTAGE_GATE_SHA512  what that has to be
#   PRESTAGE_GATE_PORT    where visitors come in; PORT is where the application is
#   PRESTAGE_PASSWORD     what they have to give, as the user preview
#
# Ends with 81 (fetch), 82 (unpack), 83 (build), 84 (start), 85 (gate); otherwise as the application does.
#
# Every variable here begins with PRESTAGE_, the prefix that an application may not use: assigning to any other could
# change what the application was given.

set -u

say() {
    printf 'prestage: %s\n' "$*" >&2
}

give_up() {
    PRESTAGE_STATUS=$1
    shift
    say "$@"
    exit "$PRESTAGE_STATUS"
}

find_fetcher() {
    for PRESTAGE_FETCHER in curl wget python3 python node; do
        command -v "$PRESTAGE_FETCHER" >/dev/null 2>&1 && return
    done
    give_up 81 "fetch: this image has none of curl, wget, python3, python and node"
}

fetch_with_curl() {
    curl -gfsSL --connect-timeout 20 --max-time 600 -o "$1" -- "$PRESTAGE_URL"
}

fetch_with_wget() {
    # Left to itself, GNU's tries 20 times; BusyBox's has none of these options.
    if wget --version >/dev/null 2>&1; then
        wget -q --tries=1 --timeout=60 -O "$1" "$PRESTAGE_URL"
    else
        wget -q -O "$1" "$PRESTAGE_URL"
    fi
}

fetch_with_python() {
    "$PRESTAGE_FETCHER" -c '
import os, shutil, sys, urllib.request
with urllib.request.urlopen(os.environ["PRESTAGE_URL"], timeout=60) as answer, open(sys.argv[1], "wb") as file:
    shutil.copyfileobj(answer, file)
' "$1"
}

fetch_with_node() {
    node -e '
const get = (url, redirects) =>
  require(url.protocol.slice(0, -1)).get(url, { timeout: 60000 }, (answer) => {
    const moved = answer.statusCode > 300 && answer.statusCode < 400 && answer.headers.location;
    if (moved && redirects > 0) {
      answer.resume();
      get(new URL(moved, url), redirects - 1);
    } else if (answer.statusCode === 200) {
      require("stream").pipeline(answer, require("fs").createWriteStream(process.argv[1]), (error) => {
        if (error) throw error;
      });
    } else {
      throw new Error("refused");
    }
  }).on("timeout", function () {
    this.destroy(new Error("time-out"));
  });
get(new URL(process.env.PRESTAGE_URL), 10);
' "$1"
}

# What the programs say is not shown: most of them quote the URL.
fetch_once() {
    case $PRESTAGE_FETCHER in
        curl) fetch_with_curl "$1" ;;
        wget) fetch_with_wget "$1" ;;
        python*) fetch_with_python "$1" ;;
        node) fetch_with_node "$1" ;;
    esac >/dev/null 2>&1
}

# Fetches into $1 what is at $2.
fetch() {
    export PRESTAGE_URL="$2"
    find_fetcher
    for PRESTAGE_WAIT in ${PRESTAGE_FETCH_WAITS-1 2 4 8 15} none; do
        say "fetch with $PRESTAGE_FETCHER"
        fetch_once "$1" && unset PRESTAGE_URL && return
        PRESTAGE_STATUS=$?
        [ "$PRESTAGE_WAIT" = none ] && give_up 81 "fetch failed ($PRESTAGE_FETCHER ended with $PRESTAGE_STATUS)"
        say "fetch failed ($PRESTAGE_FETCHER ended with $PRESTAGE_STATUS), trying again in $PRESTAGE_WAIT s"
        sleep "$PRESTAGE_WAIT"
    done
}

# Unpacks $1 into $2, a folder that is there and empty, and makes the archive's top folder into $3.
unpack() {
    say "unpack"
    tar -xzf "$1" -C "$2" || give_up 82 "unpack failed (tar ended with $?)"
    PRESTAGE_TOP=
    for PRESTAGE_ENTRY in "$2"/*/ "$2"/.[!.]*/; do
        [ -d "$PRESTAGE_ENTRY" ] || continue
        [ -z "$PRESTAGE_TOP" ] || give_up 82 "unpack: the archive has more than one top folder"
        PRESTAGE_TOP=${PRESTAGE_ENTRY%/}
    done
    [ -n "$PRESTAGE_TOP" ] || give_up 82 "unpack: the archive has no top folder"
    mv "$PRESTAGE_TOP" "$3" || give_up 82 "unpack: the source could not be moved into place"
}

enter() {
    cd "$PRESTAGE_SOURCE/$PRESTAGE_DIRECTORY" 2>/dev/null || give_up 84 "start: the source has no $PRESTAGE_DIRECTORY"
}

# In a shell of its own, so that nothing of this one's is lost, and without what the build has no business with.
build() (
    [ -n "$PRESTAGE_BUILD" ] || return 0
    say "build"
    PRESTAGE_COMMAND=$PRESTAGE_BUILD
    enter
    forget
    /bin/sh -c "$PRESTAGE_COMMAND" || give_up 83 "build failed (the command ended with $?)"
)

forget() {
    unset PRESTAGE_BUILD PRESTAGE_START PRESTAGE_DIRECTORY
    unset PRESTAGE_GATE_URL PRESTAGE_GATE_SHA512 PRESTAGE_GATE_PORT PRESTAGE_PASSWORD
}

# Has the program there that asks for the password: exactly that one, whatever the image has.
fetch_gate() {
    [ "$(cat "$PRESTAGE_GATE/complete" 2>/dev/null)" = "$PRESTAGE_GATE_SHA512" ] && return
    command -v sha512sum >/dev/null 2>&1 || give_up 85 "gate: this image has no sha512sum"
    rm -rf "$PRESTAGE_GATE"
    mkdir -p "$PRESTAGE_GATE" || give_up 82 "unpack: the disk can't be written to"
    fetch "$PRESTAGE_GATE/caddy.tar.gz" "$PRESTAGE_GATE_URL"
    printf '%s  %s\n' "$PRESTAGE_GATE_SHA512" "$PRESTAGE_GATE/caddy.tar.gz" | sha512sum -c >/dev/null 2>&1 ||
        give_up 85 "gate: what was fetched is not what it has to be"
    tar -xzf "$PRESTAGE_GATE/caddy.tar.gz" -C "$PRESTAGE_GATE" caddy || give_up 85 "gate: tar ended with $?"
    rm -f "$PRESTAGE_GATE/caddy.tar.gz"
    printf '%s\n' "$PRESTAGE_GATE_SHA512" >"$PRESTAGE_GATE/complete" || give_up 82 "unpack: the disk can't be written to"
}

# Nothing of what the application was given reaches it.
caddy() {
    env -i PATH="$PATH" HOME="$PRESTAGE_GATE" "$PRESTAGE_GATE/caddy" "$@"
}

# Asks in front of the application from now on, until the machine stops.
start_gate() {
    say "gate"
    [ -n "${PRESTAGE_PASSWORD:-}" ] || give_up 85 "gate: there is no password"
    # The least cost: the password is 160 random bits, and a small machine would be busy with hashing alone.
    PRESTAGE_HASH=$(printf '%s\n' "$PRESTAGE_PASSWORD" | caddy hash-password --algorithm bcrypt --bcrypt-cost 4) ||
        give_up 85 "gate: no hash ($?)"
    cat >"$PRESTAGE_GATE/Caddyfile" <<END || give_up 82 "unpack: the disk can't be written to"
{
	admin off
	auto_https off
	log {
		level ERROR
	}
	servers {
		trusted_proxies static private_ranges
	}
}
http://:$PRESTAGE_GATE_PORT {
	basic_auth {
		preview $PRESTAGE_HASH
	}
	reverse_proxy 127.0.0.1:$PORT {
		header_up -Authorization
	}
}
END
    unset PRESTAGE_HASH PRESTAGE_PASSWORD
    # In a process that nobody waits for: an application may wait for all that are its own.
    (keep_gate </dev/null &)
}

keep_gate() {
    while :; do
        caddy run --config "$PRESTAGE_GATE/Caddyfile" --adapter caddyfile
        say "gate ended with $?, starting it again"
        sleep 1
    done
}

case ${PRESTAGE_SHA:-} in
    '' | *[!0-9a-f]*) give_up 81 "fetch: PRESTAGE_SHA is no commit" ;;
esac
PRESTAGE_DIRECTORY=${PRESTAGE_DIRECTORY:-.}
PRESTAGE_BUILD=${PRESTAGE_BUILD:-}
case $0 in
    */*) PRESTAGE_HOME=${0%/*} ;;
    *) PRESTAGE_HOME=. ;;
esac
PRESTAGE_SCRIPT=$0
PRESTAGE_HOME=$(CDPATH='' cd "${PRESTAGE_HOME:-/}" && pwd) || give_up 82 "unpack: no folder to unpack into"
# An image's user may not be the one that the script's folder belongs to.
[ -w "$PRESTAGE_HOME" ] || PRESTAGE_HOME=${TMPDIR:-/tmp}/prestage
PRESTAGE_SOURCE=$PRESTAGE_HOME/source
PRESTAGE_MARKER=$PRESTAGE_HOME/complete
PRESTAGE_WORK=$PRESTAGE_HOME/work
PRESTAGE_GATE=$PRESTAGE_HOME/gate

# One source at a time. The marker says which, and how it was built; it appears last, whole, and goes first.
PRESTAGE_WANTED=$(printf 'commit %s\ndirectory %s\nbuild %s\n' "$PRESTAGE_SHA" "$PRESTAGE_DIRECTORY" "$PRESTAGE_BUILD")

is_complete() {
    [ "$(cat "$PRESTAGE_MARKER" 2>/dev/null)" = "$PRESTAGE_WANTED" ] && [ -d "$PRESTAGE_SOURCE/$PRESTAGE_DIRECTORY" ]
}

# First: have the source, and no more of what it was fetched with.
if [ "${1:-}" != fetched ]; then
    if is_complete; then
        say "fetch and build: done on an earlier boot"
    else
        rm -rf "$PRESTAGE_MARKER" || give_up 82 "unpack: an older marker could not be removed"
        rm -rf "$PRESTAGE_SOURCE" "$PRESTAGE_WORK" || give_up 82 "unpack: an older source could not be removed"
        mkdir -p "$PRESTAGE_WORK/tree" || give_up 82 "unpack: the disk can't be written to"
        case ${PRESTAGE_SOURCE_URL:-} in
            http://* | https://*) ;;
            *) give_up 81 "fetch: PRESTAGE_SOURCE_URL is no URL" ;;
        esac
        fetch "$PRESTAGE_WORK/source.tar.gz" "$PRESTAGE_SOURCE_URL"
        unpack "$PRESTAGE_WORK/source.tar.gz" "$PRESTAGE_WORK/tree" "$PRESTAGE_SOURCE"
        rm -rf "$PRESTAGE_WORK/source.tar.gz"
    fi
    [ -z "${PRESTAGE_GATE_URL:-}" ] || fetch_gate
    unset PRESTAGE_SOURCE_URL PRESTAGE_FETCH_WAITS
    exec /bin/sh "$PRESTAGE_SCRIPT" fetched
fi

# Then: build it, unless that was done.
if ! is_complete; then
    build || exit
    # So that the disk never has the marker without what it vouches for.
    sync 2>/dev/null
    printf '%s\n' "$PRESTAGE_WANTED" >"$PRESTAGE_WORK/complete" && mv "$PRESTAGE_WORK/complete" "$PRESTAGE_MARKER" ||
        give_up 82 "unpack: the marker could not be written"
    rm -rf "$PRESTAGE_WORK"
fi

enter
PRESTAGE_COMMAND=${PRESTAGE_START:-}
[ -n "$PRESTAGE_COMMAND" ] || give_up 84 "start: PRESTAGE_START is no command"
[ -z "${PRESTAGE_GATE_URL:-}" ] || start_gate
say "start"
forget
exec /bin/sh -c "$PRESTAGE_COMMAND"
