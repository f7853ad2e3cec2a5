# lighter in an image of its own: one static binary, the public CA bundle, one data directory; no shell.
#
#   docker build -t lighter --build-arg VERSION=v0.1.0 --build-arg COMMIT=$(git rev-parse --short HEAD) .
#   docker run lighter                                 configured by environment variables, see README.md, or by
#                                                      an Alloy file that is mounted as /etc/alloy/config.alloy

FROM golang:1.26-bookworm AS build
ENV CGO_ENABLED=0
WORKDIR /src

# The modules first: they change less often than the code, and this layer is kept until they do.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=devel
ARG COMMIT=unknown
RUN go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
      -o /out/lighter ./cmd/lighter \
 && mkdir -p /out/var/lib/lighter && chmod 770 /out/var/lib/lighter \
 && mkdir -p /out/alloy/bin /out/alloy/usr/bin && ln -s /lighter /out/alloy/bin/alloy && ln -s /lighter /out/alloy/usr/bin/alloy

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/lighter /lighter
# An empty directory that belongs to the user whom deploy/docker-compose.yml names, so that a new volume on it does too, and to
# root's group, so that root may write there without any capability.
COPY --from=build --chown=65532:0 /out/var /var

# Where Alloy's image has its binary, which an entrypoint or a health check may name.
COPY --from=build /out/alloy/ /

# A compose file that runs Alloy gives the agent root, and the socket belongs to root. So the image does too, and
# such a file works when only the image's name is changed. The agent needs no root itself: deploy/docker-compose.yml
# runs it as 65532, in the group of the Docker socket.
VOLUME /var/lib/lighter
EXPOSE 12345

# There is no shell to ask with; the binary asks its own /ready.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["/lighter", "healthcheck"]
ENTRYPOINT ["/lighter"]
CMD ["run"]

ARG VERSION=devel
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="lighter" \
      org.opencontainers.image.description="Ships the logs of Docker containers to Loki and their metrics to a remote-write backend." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
