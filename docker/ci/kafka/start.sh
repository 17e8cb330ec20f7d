#!/bin/sh
# Start one Kafka node over the volume Redpanda would use, on Redpanda's listeners.
# Environment: HOST_PORT (what clients outside are told), NODE_NAME, NODE_ID, VOTERS, REPLICAS.
set -eu
name=${NODE_NAME:-redpanda}
id=${NODE_ID:-0}
replicas=${REPLICAS:-1}
data=/var/lib/redpanda/data
java="java -Xms64m -Xmx${HEAP:-384m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true"

cat >/tmp/server.properties <<PROPERTIES
process.roles=broker,controller
node.id=$id
controller.quorum.voters=${VOTERS:-0@redpanda:9093}
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
listener.security.protocol.map=CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT
listeners=INTERNAL://0.0.0.0:9092,EXTERNAL://0.0.0.0:19092,CONTROLLER://0.0.0.0:9093
advertised.listeners=INTERNAL://$name:9092,EXTERNAL://localhost:${HOST_PORT:-19092}
log.dirs=$data/kafka
auto.create.topics.enable=false
default.replication.factor=$replicas
min.insync.replicas=$(((replicas + 1) / 2))
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$(((replicas + 1) / 2))
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$(((replicas + 1) / 2))
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
PROPERTIES

if [ ! -e "$data/kafka/meta.properties" ]; then
    # shellcheck disable=SC2086 # flags are words
    $java -cp '/opt/kafka/*' kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c /tmp/server.properties
fi
# shellcheck disable=SC2086
exec $java -cp '/opt/kafka/*' kafka.Kafka /tmp/server.properties
