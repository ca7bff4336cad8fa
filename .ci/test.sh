#!/bin/sh
# All checks: style and types run at the same time as the tests, with the remaining processor time.
set -u
cd "$(dirname "$0")/.."

report=$(mktemp)
said=$(mktemp)
nice make lint typecheck >"$report" 2>&1 &
static=$!
trap 'kill "$static" 2>/dev/null; rm -f "$report" "$said" "$said.code"; exit 130' INT TERM

color=$([ -t 1 ] && echo yes || echo auto)
if make chromium engine tools; then
    {
        # A test that fails on a busy machine is run once more, and both are reported; the fourth
        # of a run is a failure.
        .venv/bin/pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder \
            --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks -rfER \
            --color "$color" --cov --cov-report=term
        echo $? >"$said.code"
    } | tee "$said"
    tests=$(cat "$said.code")
else
    tests=1
fi

wait "$static"
checks=$?
cat "$report"
tail -n 1 "$said" # the last line of the output is the summary of the tests
rm -f "$report" "$said" "$said.code"
[ "$tests" -eq 0 ] && [ "$checks" -eq 0 ]
