"""Fitting the scope classifier and the counterfactual adapter from recorded data."""
