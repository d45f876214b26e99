"""The table `stream`: an epoch of pairs in Parquet, from a million to a hundred million of them."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .timing import in_own_process

SIZES = (10**6, 10**7, 10**8)
USERS, ITEMS, TASTES = 1_000_000, 200_000, 50
DIM, NEGATIVES, BATCH = 64, 512, 4096
ROW_GROUP = 1 << 20


def write_pairs(folder: Path, n_pairs: int, n_users: int, n_items: int, seed: int = 0) -> None:
    """Made pairs: a user likes the items of one of ``TASTES`` kinds, the popular ones more often.

    Which kind an item is of, and how popular it is, have nothing to do with its id; the popularity
    of the items falls as 1 / rank, within a kind too. Rows are in no order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    taste = rng.integers(TASTES, size=n_users)
    by_rank = rng.permutation(n_items)
    of_kind = n_items // TASTES
    file = folder / "pairs.parquet"
    schema = pa.schema([("user", pa.int32()), ("item", pa.int32())])
    with pq.ParquetWriter(file, schema) as writer:
        for begin in range(0, n_pairs, ROW_GROUP):
            n = min(ROW_GROUP, n_pairs - begin)
            user = rng.integers(n_users, size=n)
            rank = np.floor(of_kind ** rng.random(n)).astype(int) - 1  # log-uniform: 1 / rank
            item = by_rank[rank * TASTES + taste[user]]
            if begin == 0:  # the same tables at every size
                user[-1], item[-1] = n_users - 1, n_items - 1
            columns = [pa.array(column.astype(np.int32)) for column in (user, item)]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=ROW_GROUP)


def stream(
    sizes: tuple[int, ...] = SIZES, n_users: int = USERS, n_items: int = ITEMS
) -> Iterator[dict]:
    """An epoch of pairs in Parquet, a million to a hundred million: reading, and training."""
    rows: list[dict] = []
    settings = {"dim": DIM, "negatives": NEGATIVES, "batch": BATCH}
    for n_pairs in sizes:
        folder = Path(tempfile.mkdtemp(prefix="pairs-"))
        try:
            write_pairs(folder, n_pairs, n_users, n_items)
            size = (folder / "pairs.parquet").stat().st_size
            for what in ("reading", "training"):
                row = in_own_process("stream", {"what": what, "folder": str(folder)} | settings)
                rows.append(row | {"file_bytes": size, "pairs a second": n_pairs / row["seconds"]})
        finally:
            shutil.rmtree(folder)
        yield settings | {"rows": rows}
