#!/usr/bin/env bash
# A scikit-learn model behind the data plane. Runs from anywhere, as often as you like.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seatrial=$(command -v "${SEATRIAL:-seatrial}") || {
    echo "There is no seatrial on PATH: pip install 'seatrial[train]', or name the program in SEATRIAL." >&2
    exit 1
}
python=$(dirname "$(realpath "$seatrial")")/python # the one that has Seatrial's libraries

if [ ! -f model.joblib ]; then
    echo "Training with scikit-learn, as you would without Seatrial:"
    "$python" make_model.py
fi

printf '\n$ seatrial serve\n'
addresses=$(mktemp)
"$seatrial" serve --json > "$addresses" &
server=$!
trap 'kill "$server" 2> /dev/null || true; rm -f "$addresses"' EXIT
until [ -s "$addresses" ]; do # it says where it listens once it is ready
    kill -0 "$server" 2> /dev/null || exit 1 # and why not, if it cannot
    sleep 0.1
done
"$python" ask.py "$addresses" \
    "I was charged twice and want a refund." \
    "Where is my parcel? The courier is late." \
    "The update ends with an error message."
kill "$server"
wait "$server"
