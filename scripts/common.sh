# Sourced by the other scripts: a virtual environment beside the code, and tmux.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${AGENTCAVE_VENV:-$root/.venv}

say() { printf '%s\n' "$*" >&2; }

# make_venv EXTRA: installs the project with the given extra, editable, when it has changed; the
# versions are those of constraints.txt, or with AGENTCAVE_LATEST=1 the newest.
make_venv() {
    local extra=$1 python=${PYTHON:-python3} stamp
    local pins=(-c "$root/constraints.txt")
    [ "${AGENTCAVE_LATEST:-}" != 1 ] || pins=(--upgrade)
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3"
        exit 69
    fi
    stamp="$extra ${pins[0]} $(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum)"
    if [ "$(cat "$venv/.installed" 2>/dev/null)" != "$stamp" ]; then
        say "installing agentcave and what it needs into $venv …"
        [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${pins[@]}" \
            -e "$root$extra"
        printf '%s' "$stamp" >"$venv/.installed"
    fi
    export PATH=$venv/bin:$PATH
}

# need PROGRAM PACKAGE: installs it without a question where that is possible, else says how.
need() {
    command -v "$1" >/dev/null && return
    local sudo=
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    for manager in apt-get dnf apk pacman zypper; do
        command -v "$manager" >/dev/null || continue
        say "installing $2 with $manager …"
        case $manager in
            apt-get) { $sudo apt-get update -q && $sudo apt-get install -q -y "$2"; } >/dev/null && return ;;
            dnf) $sudo dnf install -q -y "$2" >/dev/null && return ;;
            apk) $sudo apk add -q "$2" && return ;;
            pacman) $sudo pacman -S --noconfirm --quiet "$2" >/dev/null && return ;;
            zypper) $sudo zypper -q -n install "$2" >/dev/null && return ;;
        esac
        case $manager in apk) verb=add ;; pacman) verb=-S ;; *) verb=install ;; esac
        say "that was not possible without a question; type:  sudo $manager $verb $2"
        exit 69
    done
    say "$1 is missing; install it with the package manager of this system"
    exit 69
}
