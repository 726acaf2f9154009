"""From raw files to batches: raw -> readers -> prepare -> arrays -> splits -> sampler -> datamodule."""
