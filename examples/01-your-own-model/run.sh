#!/usr/bin/env bash
# A model trained elsewhere, from its files to a proven answer over HTTP. Runs from anywhere, as often as you like.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seatrial=$(command -v "${SEATRIAL:-seatrial}") || {
    echo "There is no seatrial on PATH: pip install 'seatrial[all]', or name the program in SEATRIAL." >&2
    exit 1
}
python=$(dirname "$(realpath "$seatrial")")/python # the one that has Seatrial's libraries

run() {
    printf '\n$ seatrial %s\n' "$*"
    "$seatrial" "$@"
}

if [ ! -d model ]; then
    echo "Training a small BERT, as you would without Seatrial:"
    "$python" make_model.py
fi

run register --from model
# The first time it is also product-reviews@candidate; once released, a version is a candidate no more.
newest='import json, sys; row = json.load(sys.stdin)[0]; print(row["model"], row["version"], sep="@")'
ref=$("$seatrial" models list --json | "$python" -c "$newest")
run convert "$ref"

printf '\n$ seatrial serve %s\n' "$ref"
addresses=$(mktemp)
"$seatrial" serve "$ref" --json > "$addresses" &
server=$!
trap 'kill "$server" 2> /dev/null || true; rm -f "$addresses"' EXIT
until [ -s "$addresses" ]; do # it says where it listens once it is ready
    kill -0 "$server" 2> /dev/null || exit 1 # and why not, if it cannot
    sleep 0.1
done
"$python" ask.py "$addresses" \
    "I expected a sturdy tent and got one that is flimsy." \
    "I expected a flimsy tent and got one that is sturdy."
kill "$server"
wait "$server"

run models verify
