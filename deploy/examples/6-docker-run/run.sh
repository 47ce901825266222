#!/usr/bin/env bash
# The same without compose: plain `docker run` containers on the default bridge, found by their labels.
#
#   ./run.sh         start two static and two dynamic replicas, and Seaway
#   ./run.sh add     one more static replica
#   ./run.sh down    remove what this started, and nothing else
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly port=${DEMO_HTTP_PORT:-8080}
readonly prefix=${EXAMPLE_PREFIX:-example6}
# Every container of this example carries it: by it Seaway knows its own, and `down` knows what to remove.
readonly mark="example=$prefix"

main() {
    case ${1:-up} in
        up)
            image seaway:local deploy/Dockerfile
            image seaway-demo-app:local deploy/demo-app/Dockerfile
            static 1
            static 2
            dynamic 1
            dynamic 2
            seaway
            docker ps --filter "label=$mark" --format 'table {{.Names}}\t{{.Status}}\t{{.Ports}}'
            echo "Now: curl http://demo.localhost:$port/api/animals/, docker logs -f ${prefix}_seaway"
            ;;
        add) static "$(next)" ;;
        down) down ;;
        *)
            sed -n '2,6p' "$0"
            exit 2
            ;;
    esac
}

# A container that was stopped a moment ago is just removing itself (`--rm`), and docker refuses to do it a second time: what
# counts is that none is left.
down() {
    local left try
    for try in {1..50}; do
        mapfile -t left < <(docker ps -aq --filter "label=$mark")
        if ((${#left[@]} == 0)); then return; fi
        docker rm -f "${left[@]}" >/dev/null 2>&1 || sleep 0.2
    done
    echo "still there after $try tries: ${left[*]}" >&2
    return 1
}

# One more than the highest number that is taken.
next() {
    local last
    last=$(docker ps -a --filter "label=$mark" --format '{{.Names}}' | sed -n "s/^${prefix}_static_//p" | sort -n | tail -n 1)
    echo "$((${last:-0} + 1))"
}

static() {
    docker run -d --rm --name "${prefix}_static_$1" --label "$mark" \
        --env API_PATH=/api/animals/ \
        --label traefik.enable=true \
        --label 'traefik.http.routers.static.rule=Host(`demo.localhost`)' \
        --label traefik.http.services.static.loadbalancer.server.port=80 \
        seaway-demo-app:local >/dev/null
    echo "started ${prefix}_static_$1"
}

# Each container says the same about the service `dynamic`, so all of them are its servers.
dynamic() {
    docker run -d --rm --name "${prefix}_dynamic_$1" --label "$mark" \
        --env PORT=3000 --env INDEX=animals \
        --label traefik.enable=true \
        --label 'traefik.http.routers.dynamic.rule=Host(`demo.localhost`) && PathPrefix(`/api/animals/`)' \
        --label traefik.http.routers.dynamic.middlewares=animals \
        --label traefik.http.middlewares.animals.stripprefix.prefixes=/api/animals \
        --label traefik.http.services.dynamic.loadbalancer.server.port=3000 \
        --label traefik.http.services.dynamic.loadbalancer.sticky.cookie.name=ROUTEID \
        seaway-demo-app:local >/dev/null
    echo "started ${prefix}_dynamic_$1"
}

seaway() {
    docker run -d --rm --name "${prefix}_seaway" --label "$mark" \
        --publish "127.0.0.1:$port:80" \
        --volume "${DOCKER_SOCKET:-/var/run/docker.sock}:/var/run/docker.sock:ro" \
        seaway:local \
        --providers.docker=true \
        --providers.docker.exposedbydefault=false \
        --providers.docker.constraints="Label(\`example\`, \`$prefix\`)" \
        --entrypoints.web.address=:80 \
        --accesslog=true \
        --accesslog.format=seaway >/dev/null
    echo "started ${prefix}_seaway"
}

image() {
    if docker image inspect "$1" >/dev/null 2>&1; then return; fi
    docker build --target "${SEAWAY_IMAGE_STAGE:-source}" --tag "$1" --file "../../../$2" ../../..
}

main "$@"
