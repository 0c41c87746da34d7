"""The engine of ``fedtrust.crypto`` beside its peers: ``python -m benchmarks``, explained in docs/benchmarks.md."""
