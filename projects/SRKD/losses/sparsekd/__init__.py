"""SparseKD (Yang et al., NeurIPS 2022): a detector's logits and boxes where it matters."""
