# The base image brings Node, of the version that package.json pins for tests and development. Name another registry's copy, or a digest, with
# --build-arg NODE_IMAGE=…
ARG NODE_IMAGE=node:24.21.0-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No package needs its install scripts here: better-sqlite3 ships its binaries, and the npm package "node" is what the base image is for.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json openapi.yaml LICENSE ./
COPY migrations ./migrations
COPY scripts ./scripts
COPY console ./console
COPY src ./src
RUN npm run build:program

FROM ${NODE_IMAGE}
# What installs packages has no business beside the keys.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* /usr/local/bin/yarn /usr/local/bin/yarnpkg \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/quaymaster /var/lib/quaymaster-keys
LABEL org.opencontainers.image.title="Quaymaster" \
      org.opencontainers.image.description="A secrets broker for containers" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
# The program contains its libraries, so the image has no node_modules.
COPY --from=build /build/dist ./dist
# With the default of eight arenas for each core, the C library keeps more of the memory that requests freed.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
USER 10001:10001
# Store and keys apart, so that no backup of the one holds the other. Everything else may be read-only.
VOLUME ["/var/lib/quaymaster", "/var/lib/quaymaster-keys"]
EXPOSE 8200
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "/app/dist/quaymaster.cjs", "healthcheck"]
STOPSIGNAL SIGTERM
# SIGUSR1 would open the inspector to every process that can reach loopback in the container. A core file would hold every key. The program leaves its memory out of
# core files by itself; prlimit (util-linux, part of Debian) sets the limit besides, and becomes Node. With 1 the kernel writes no file either, and passes nothing to
# the program of a core_pattern that is a pipe, which ignores 0.
ENTRYPOINT ["prlimit", "--core=1", "node", "--disable-sigusr1", "/app/dist/quaymaster.cjs"]
CMD ["serve"]
