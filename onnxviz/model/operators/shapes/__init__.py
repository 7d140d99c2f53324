"""Operators that change, join and pick shapes, and the rules of windows, broadcasting and allocation behind them."""
