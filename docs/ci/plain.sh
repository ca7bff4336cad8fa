#!/bin/sh
# For any other CI system: plain.sh plan | apply | drift. See docs/ci/README.md.
#
# The server and the credentials come from the environment: KESTRA_API_URL, and KESTRA_TOKEN, or
# KESTRA_USERNAME and KESTRA_PASSWORD. Reports are written to the directory $REPORTS.
set -eu

reports=${REPORTS:-reports}
mkdir -p "$reports"

case "${1:-plan}" in
plan)
    kestra-sync validate --offline -o "junit=$reports/validate.xml"
    code=0
    kestra-sync plan --detailed-exitcode \
        --out "$reports/plan.json" \
        -o "html=$reports/plan.html" -o "markdown=$reports/plan.md" || code=$?
    # 2 means that there are changes, which is not a failure.
    [ "$code" -eq 2 ] || exit "$code"
    ;;
apply)
    # With the plan of an earlier job, applies exactly that plan, or nothing.
    if [ -f "$reports/plan.json" ]; then
        set -- --plan "$reports/plan.json"
    else
        set --
    fi
    kestra-sync apply --yes --smoke --rollback -o "junit=$reports/apply.xml" "$@"
    ;;
drift)
    # Exit code 2 if there is drift.
    kestra-sync drift -o "html=$reports/drift.html"
    ;;
*)
    echo "usage: $0 plan | apply | drift" >&2
    exit 64
    ;;
esac
