#!/bin/sh
# Makes the documentation use a release: .ci/pin.sh COMMIT VERSION, after its tag:
# .ci/pin.sh "$(git rev-parse 'v0.1.0^{commit}')" v0.1.0
set -eu
cd "$(dirname "$0")/.."

commit=$(git rev-parse --verify "$1^{commit}")
for file in docs/ci/* docs/github-action.md docs/install.md templates/*.yml; do
    sed -e "s|kestra-sync/kestra-sync@.*|kestra-sync/kestra-sync@$commit # $2|" \
        -e "s|\(kestra-sync/kestra-sync/\)[0-9a-f]\{40\}\(/.*\) # v.*|\1$commit\2 # $2|" \
        -e "s|\(ghcr.io/kestra-sync/kestra-sync:\)[0-9][0-9a-z.]*|\1${2#v}|" \
        -e "s|rev: v[0-9].*|rev: $2|" \
        -e "s|kestra-sync==[0-9][0-9a-z.]*|kestra-sync==${2#v}|" "$file" > "$file.new"
    cat "$file.new" > "$file"
    rm "$file.new"
done
