# syntax=docker/dockerfile:1
#
# The image of the service, and a second one to look inside with (--target debug). docs/decisions/0023-the-image.md says why
# it is as it is; `npm run test:image` builds it and runs it.
#
#   docker build --tag tenantry .

# Pinned by tag and digest; Dependabot moves both. The first builds and is not shipped. Nothing here is compiled for a
# processor, so it runs on the builder's own platform, whatever the image is for.
FROM --platform=$BUILDPLATFORM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY clients/node/package.json clients/node/
COPY examples/downstream/package.json examples/downstream/

# What runs in production, and of that nothing that only a compiler or a debugger reads.
FROM manifests AS packages
RUN --mount=type=cache,target=/root/.npm \
  npm ci --omit=dev --ignore-scripts --prefer-offline --no-audit --no-fund \
    --workspace=@tenantry/client --include-workspace-root
RUN find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
  && chmod -R u=rwX,go=rX node_modules

FROM manifests AS build
RUN --mount=type=cache,target=/root/.npm \
  npm ci --ignore-scripts --prefer-offline --no-audit --no-fund
COPY tsconfig.base.json tsconfig.json openapi.yaml ./
COPY bin/build.mjs bin/
COPY clients/node/tsconfig.json clients/node/
COPY clients/node/src clients/node/src
COPY src src
RUN node bin/build.mjs
COPY LICENSE CHANGELOG.md ./
COPY drizzle drizzle
# Everything of ours that the service reads, in the place where it will be, for root to own and for nobody to write.
RUN mkdir -p /image/clients/node \
  && cp -R dist drizzle openapi.yaml package.json LICENSE CHANGELOG.md /image/ \
  && cp -R clients/node/dist clients/node/package.json /image/clients/node/ \
  && find /image -type f \( -name '.*' -o -name '*.d.ts' \) -delete \
  && chmod -R u=rwX,go=rX /image

# With a shell, npm and the usual tools: for looking into a deployment, not for running one.
FROM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe AS debug
COPY --from=packages /app/node_modules /app/node_modules
COPY --from=build /image /app
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
USER 65532:65532
EXPOSE 3000 9090
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/cli/main.js"]
CMD ["serve"]

# No shell, no npm, no package manager. Node.js is process 1 and takes the signals itself.
FROM gcr.io/distroless/nodejs24-debian13:nonroot@sha256:af85d11ce7ef10172855a6e3649e3e8125b1b9e3ca41849ec2918036f05cb212 AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Tenantry" \
  org.opencontainers.image.description="Tenants, memberships and roles as a service: tenant-scoped tokens, authorization checks, offline verification." \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.vendor="Tenantry" \
  org.opencontainers.image.base.name="gcr.io/distroless/nodejs24-debian13:nonroot"
COPY --from=packages /app/node_modules /app/node_modules
COPY --from=build /image /app
# Whoever forgets DATABASE_URL is told so (NODE_ENV=production), and gets no database that goes with the container.
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
USER 65532:65532
EXPOSE 3000 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["/nodejs/bin/node", "/app/dist/healthcheck.js"]
ENTRYPOINT ["/nodejs/bin/node", "/app/dist/cli/main.js"]
CMD ["serve"]
