SELECT count() FROM baseline_events
