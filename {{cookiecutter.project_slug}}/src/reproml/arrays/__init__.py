"""From raw files to batches: raw -> reader -> prepare -> arrays -> splits -> sampler -> datamodule."""
