"""What the samples of bitaxon-bench say: estimates, comparisons, scaling, reports."""
