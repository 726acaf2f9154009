"""From raw files to batches: raw -> read -> prepare -> arrays -> splits -> sampler -> datamodule."""
