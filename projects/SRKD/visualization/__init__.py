"""Pictures of scans, labels and boxes, drawn without a window."""
