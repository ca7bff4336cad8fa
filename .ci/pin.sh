#!/bin/sh
# Makes the documentation use the action at a commit: .ci/pin.sh COMMIT VERSION. For a release,
# after its tag: .ci/pin.sh "$(git rev-parse 'v0.1.0^{commit}')" v0.1.0
set -eu
cd "$(dirname "$0")/.."

commit=$(git rev-parse --verify "$1^{commit}")
for file in docs/ci/*.yml docs/github-action.md; do
    sed "s|kestra-sync/kestra-sync@.*|kestra-sync/kestra-sync@$commit # $2|" "$file" > "$file.new"
    cat "$file.new" > "$file"
    rm "$file.new"
done
