"""Ratios of one run, never absolute rates: what the workbook's own code costs beside the plain thing."""
