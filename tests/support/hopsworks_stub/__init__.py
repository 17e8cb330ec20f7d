"""A stand-in for a Hopsworks cluster, faithful in what the real client asks of it.

REST over TLS as the client calls it (`routes`), project certificates as JKS and PEM
(`credentials`), feature groups, views, schemas and jobs in memory (`backend`), ingestion through
a real Kafka topic whose Avro rows are read back (`rows`), and faults on order (`faults`). What
the backend does with the topic afterwards, and how reads are served, is not played.
"""

from support.hopsworks_stub.faults import Fault
from support.hopsworks_stub.rows import IngestedRow, ingested_rows
from support.hopsworks_stub.server import HopsworksStub

__all__ = ["Fault", "HopsworksStub", "IngestedRow", "ingested_rows"]
