"""AutoGluon on vectors that `training.py export` wrote: `python autogluon_head.py FILE SECONDS`.

Run it with a Python that has autogluon.tabular; hivescan is not needed.
"""

from __future__ import annotations

import sys
import tempfile
import time

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor


def main() -> None:
    data = np.load(sys.argv[1])
    columns = [f"v{i}" for i in range(data["train"].shape[1])]
    train = pd.DataFrame(data["train"], columns=columns).assign(label=data["train_classes"])
    truth = data["test_classes"]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor(label="label", path=folder, eval_metric="balanced_accuracy", verbosity=1)
        predictor.fit(train, time_limit=int(sys.argv[2]))
        said = predictor.predict(pd.DataFrame(data["test"], columns=columns)).to_numpy()
    seconds = time.perf_counter() - started
    recalls = [(said[truth == c] == c).mean() for c in np.unique(truth)]
    others = [(said[truth != c] != c).mean() for c in np.unique(truth)]
    rest = (np.mean(recalls) + np.mean(others)) / 2
    print(f"½(TPR+TNR) {rest:.4f}, mean recall {np.mean(recalls):.4f}, {seconds:.1f} s")


if __name__ == "__main__":
    main()
