"""The worker: runs pipeline stages with the engines that it selects."""
