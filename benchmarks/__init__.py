"""Programs that measure specc: its code, its start-up, its proof."""
