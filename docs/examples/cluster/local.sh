#!/usr/bin/env bash
# Redis, three servers and HAProxy on this machine, to try a cluster. Ctrl-C ends all of them, and keeps nothing.
#
#   docs/examples/cluster/local.sh [PORT]
#
# The proxy listens at PORT (3000), the servers at the next three ports. Needs redis-server, haproxy and ws-server on
# PATH; WS_SERVER is another binary, HOST another address than 127.0.0.1.
# Each in a process group of its own: Ctrl-C reaches this script alone.
set -euom pipefail

host=${HOST:-127.0.0.1} port=${1:-3000} server=${WS_SERVER:-ws-server}
here=$(cd "$(dirname "$0")" && pwd)
for program in redis-server haproxy "$server"; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done

dir=$(mktemp -d)
servers=() others=()

end() {
  trap '' INT TERM HUP
  # The servers first: they drain, and give up their leases in Redis.
  kill "${servers[@]}" 2>/dev/null || true
  wait "${servers[@]}" || true
  kill "${others[@]}" 2>/dev/null || true
  wait || true
  rm -rf "$dir"
}
trap end EXIT
trap 'exit 0' INT TERM HUP

redis-server --port 0 --unixsocket "$dir/redis" --dir "$dir" --save '' --maxmemory-policy noeviction >"$dir/log" &
others+=($!)
echo "Redis: unix:$dir/redis, process $!"

for n in 1 2 3; do
  WS_SERVER__ENGINE__TYPE=redis WS_SERVER__ENGINE__REDIS__URL="redis+unix://$dir/redis" \
    WS_SERVER__PROXY__TRUSTED="$host" "$server" --addr "$host:$((port + n))" &
  servers+=($!)
  export "SERVER_$n=$host:$((port + n))"
  echo "server $n: http://$host:$((port + n)), process $!"
done

LISTEN="$host:$port" haproxy -db -f "$here/haproxy.cfg" &
others+=($!)
echo "proxy: http://$host:$port, process $!"

# Whichever ends first ends all.
wait -n || true
echo "one of them has ended" >&2
exit 1
