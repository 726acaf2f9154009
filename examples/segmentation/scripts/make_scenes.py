"""Write scenes of scikit-learn's digits, and masks of their pixels, into `data/raw/scenes`."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

FOLDER, SIZE, NUMBER = Path("data/raw/scenes"), 32, 300

digits = load_digits().images
generator = np.random.default_rng(0)
for name in ("images", "masks"):
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
for number in range(NUMBER):
    slope = generator.uniform(-1, 1, 2)
    across, down = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE))
    scene = 100 + 60 * (slope[0] * across + slope[1] * down) / 2 + generator.normal(0, 12, (SIZE, SIZE))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(generator.integers(1, 4)):
        digit = digits[generator.integers(len(digits))]
        top, left = generator.integers(0, SIZE - 8, 2)
        scene[top : top + 8, left : left + 8] += 4 * digit
        mask[top : top + 8, left : left + 8] |= digit > 5
    Image.fromarray(scene.clip(0, 255).astype(np.uint8)).save(FOLDER / "images" / f"{number:04}.png")
    Image.fromarray(mask).save(FOLDER / "masks" / f"{number:04}.png")
print(f"{NUMBER} scenes in {FOLDER}")
