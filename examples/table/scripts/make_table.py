"""Write scikit-learn's 442 diabetes patients as a realistic CSV file: `data/raw/patients.csv`.

The measurements are real. The dates, the clinics and the gaps are made up.
"""

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes

PATH = Path("data/raw/patients.csv")

table = load_diabetes(scaled=False)
generator = np.random.default_rng(0)
median = np.median(table.target)
with PATH.open("w", newline="") as stream:
    writer = csv.writer(stream)
    writer.writerow(["visited", "clinic", *table.feature_names, "progression", "course"])
    for values, target in zip(table.data, table.target, strict=True):
        day = date(2015, 1, 1) + timedelta(days=int(generator.integers(3650)))
        clinic = generator.choice(["North", "South", "West"])
        age, sex, *measured = (f"{value:g}" for value in values)
        cells = [clinic, age, "female" if sex == "1" else "male", *measured]
        row = [cell if generator.random() > 0.05 else "" for cell in cells]
        writer.writerow([day, *row, f"{target:g}", "fast" if target > median else "slow"])
print(f"{len(table.target)} rows in {PATH}")
