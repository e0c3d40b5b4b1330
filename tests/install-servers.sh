#!/bin/sh
# Debian packages of the servers that tests start: PostgreSQL (the ledger's contract), Prometheus (promtool checks
# what /metrics says), Alertmanager (takes alarms). Installs only what is missing; needs root or sudo.
set -eu
missing=""
{ command -v postgres || ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 || missing="$missing postgresql"
{ command -v prometheus && command -v promtool; } >/dev/null 2>&1 || missing="$missing prometheus"
command -v prometheus-alertmanager >/dev/null 2>&1 || missing="$missing prometheus-alertmanager"
test -n "$missing" || exit 0
sudo=""
test "$(id -u)" -eq 0 || sudo="sudo"
# No service is started: tests start and stop their own.
policy=/usr/sbin/policy-rc.d
test -e "$policy" || { printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null; $sudo chmod +x "$policy"; trap '$sudo rm -f "$policy"' EXIT; }
$sudo apt-get update -qq
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
