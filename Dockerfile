# kestra-sync in a small image, which works as the image of a CI job, too: sh, git, no root.
#
#   make build && docker build --tag kestra-sync .
#
# The wheel in dist/ is what goes in: for a release, the very file that PyPI has. The digest is that of
# the multi-arch index; Dependabot keeps it up to date.
FROM python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285 AS build
ENV PREFIX=/opt/kestra-sync \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY .github/requirements-action.txt dist/*.whl ./
# The dependencies by version and hash, wheels only: what builds an sdist would not be pinned.
RUN python -I -m venv --without-pip "$PREFIX" \
    && python -I -m pip --python "$PREFIX/bin/python" install --quiet --no-cache-dir --no-deps \
        --require-hashes --only-binary :all: --requirement requirements-action.txt \
    && python -I -m pip --python "$PREFIX/bin/python" install --quiet --no-deps --no-index *.whl \
    && "$PREFIX/bin/kestra-sync" --version

FROM python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kestra-sync" \
    org.opencontainers.image.description="Plan and apply for Kestra flows, straight from Git." \
    org.opencontainers.image.source="https://github.com/kestra-sync/kestra-sync" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
# A checkout that is mounted belongs to another user, and Git would refuse to read it. kestra-sync
# calls Git with everything switched off that a repository could have it run.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*' \
    && useradd --uid 10001 --user-group --create-home kestra-sync
COPY --from=build /opt/kestra-sync /opt/kestra-sync
ENV PATH=/opt/kestra-sync/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /work
# No entry point: CI systems start a shell in it.
CMD ["kestra-sync", "--help"]
