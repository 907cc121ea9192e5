"""`python -m benchmarks`: the relay against what people use today and against the wire."""
