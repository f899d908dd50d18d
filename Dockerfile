# syntax=docker/dockerfile:1
# One program in a small image. The dependencies are a layer of their own: it is built again when a manifest or
# Cargo.lock changes, not when code does, and what follows it needs no network.

FROM rust:1.94-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make protobuf-compiler \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /alpes

# Manifests over empty crates: a new crate is a new line here.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY api/Cargo.toml api/
COPY operators/Cargo.toml operators/
COPY pipeline/Cargo.toml pipeline/
COPY schemas/Cargo.toml schemas/
COPY sinks/Cargo.toml sinks/
RUN for crate in . api operators pipeline schemas sinks; do mkdir -p "$crate/src" && : >"$crate/src/lib.rs" || exit 1; done \
    && echo 'fn main() {}' >src/main.rs \
    && cargo build --release --locked --bin alpes

# Cargo goes by time: what is copied may be older than the empty crates.
COPY . .
RUN find . -name target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --offline --bin alpes

FROM debian:bookworm-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Alpes" \
      org.opencontainers.image.description="Counts what influencers bring to marketing campaigns, live and exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/alpes --create-home alpes
COPY --from=build /alpes/target/release/alpes /usr/local/bin/alpes
USER 10001
# `alpes up` keeps its PostgreSQL in ALPES_DATA: give it a volume. The other roles keep nothing.
ENV ALPES_DATA=/var/lib/alpes \
    ALPES_HTTP=0.0.0.0:8000 \
    ALPES_QUERIES=0.0.0.0:8001 \
    HEALTH_PORT=8000
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
# HEALTH_PORT: the port of this container's role.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=6 CMD ["bash", "-c", "\
    exec 3<>/dev/tcp/127.0.0.1/$HEALTH_PORT \
    && printf 'GET /health/ready HTTP/1.0\\r\\n\\r\\n' >&3 \
    && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["alpes"]
CMD ["up"]
