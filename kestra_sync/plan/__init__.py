"""From desired and live to what has to change. Plain values in, plain values out."""
