"""Write scikit-learn's digits as PNG files of many sizes: `data/raw/photos/<class>/<number>.png`."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

FOLDER = Path("data/raw/photos")

digits = load_digits()
sizes = np.random.default_rng(0).integers(16, 33, (len(digits.images), 2))
for number, (image, target, size) in enumerate(zip(digits.images, digits.target, sizes.tolist(), strict=True)):
    path = FOLDER / str(target) / f"{number:04}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image * 15).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC).save(path)
print(f"{len(digits.images)} images in {FOLDER}")
