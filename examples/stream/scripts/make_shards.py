"""Write scikit-learn's digits as JSON lines, in gzipped files: `data/raw/shards/train-0.jsonl.gz`, ..."""

import gzip
import json
from pathlib import Path

from sklearn.datasets import load_digits

FOLDER, SHARDS, TEST = Path("data/raw/shards"), 6, 300

digits = load_digits()
rows = [
    json.dumps({"pixels": image.astype(int).ravel().tolist(), "digit": int(target)})
    for image, target in zip(digits.images, digits.target, strict=True)
]
files = {f"train-{number}": rows[number : -2 * TEST : SHARDS] for number in range(SHARDS)}
files |= {"val": rows[-2 * TEST : -TEST], "test": rows[-TEST:]}
FOLDER.mkdir(parents=True, exist_ok=True)
for name, lines in files.items():
    (FOLDER / f"{name}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
print(f"{len(rows)} rows in {len(files)} files in {FOLDER}")
