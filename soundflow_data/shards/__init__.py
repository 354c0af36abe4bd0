"""The run directory: written shard by shard, resumed, locked, queried and read."""

from soundflow_data.shards.layout import FORMAT_VERSION, Codec, ShardPlan, ShardSpec, parse_shards, plan_shards
from soundflow_data.shards.lock import Claim, ClaimedShards, claim_shards
from soundflow_data.shards.order import Lane, Permutation, ReaderState
from soundflow_data.shards.reader import Order, Sample, StreamReader
from soundflow_data.shards.receipts import (
    Counts,
    FileRecord,
    Receipt,
    ReceiptProblem,
    ReceiptScan,
    RunIdentity,
    list_receipts,
    scan_receipts,
    software_versions,
)
from soundflow_data.shards.record import StreamRecord
from soundflow_data.shards.storage import LocalStorage, PendingFile, Storage, StoredFile, write_bytes
from soundflow_data.shards.tables import QueryResult
from soundflow_data.shards.writer import DroppedStream, ShardWriter

__all__ = [
    "FORMAT_VERSION",
    "Claim",
    "ClaimedShards",
    "Codec",
    "Counts",
    "DroppedStream",
    "FileRecord",
    "Lane",
    "LocalStorage",
    "Order",
    "PendingFile",
    "Permutation",
    "QueryResult",
    "ReaderState",
    "Receipt",
    "ReceiptProblem",
    "ReceiptScan",
    "RunIdentity",
    "Sample",
    "ShardPlan",
    "ShardSpec",
    "ShardWriter",
    "Storage",
    "StoredFile",
    "StreamReader",
    "StreamRecord",
    "claim_shards",
    "list_receipts",
    "parse_shards",
    "plan_shards",
    "scan_receipts",
    "software_versions",
    "write_bytes",
]
