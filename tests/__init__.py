"""Tests mirror the packages; servers are real, and what cannot be reached fails."""
