"""Steps that are not finite: found before they reach the weights, told, kept and repeated."""
